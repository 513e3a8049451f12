// ptx.cuh for the host: the same functions in C++. Copies land no earlier than the wait that demands them.
#pragma once

DEVICE float f16_to_float(u16 bits) { return (float)host::cast<_Float16>(bits); }
DEVICE u16 float_to_f16(float x) { return host::cast<u16>((_Float16)x); }
DEVICE u32 e4m3x2_to_f16x2(u16 codes) {
    u32 pair = 0;
    for (int i = 0; i < 2; i++) {
        u32 code = codes >> (8 * i) & 255u;
        float x = f16_to_float((u16)((code & 0x80u) << 8 | (code & 0x7fu) << 7)) * 256.0f;
        pair |= (u32)((code & 0x7fu) == 0x7fu ? 0x7fffu : float_to_f16(x)) << (16 * i);
    }
    return pair;
}
DEVICE void dependency_wait() {}
DEVICE void dependents_may_start() {}
DEVICE int load_settled(const int* p) { return *p; }
DEVICE float load_settled(const float* p) { return *p; }
DEVICE void prefetch(const void*) {}
DEVICE void copy_async16(void* shared, const void* global) { host::copy_async(shared, global, 16); }
DEVICE void copy_async4(void* shared, const void* global) { host::copy_async(shared, global, 4); }
DEVICE void commit_copies() { host::commit(); }
template <int PENDING>
DEVICE void wait_copies() { host::wait_copies(PENDING); }
