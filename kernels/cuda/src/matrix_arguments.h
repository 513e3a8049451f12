// Argument blocks of the kernels on matrix units (../prefill). A file of its own because those take long to compile, and need not be compiled
// again when another kernel's arguments change. Keeps to the grammar of arguments.h.
#pragma once

// A tensor map as cuTensorMapEncodeTiled writes it: 128 opaque bytes.
struct alignas(64) TensorMap {
    long long word0;
    long long word1;
    long long word2;
    long long word3;
    long long word4;
    long long word5;
    long long word6;
    long long word7;
    long long word8;
    long long word9;
    long long word10;
    long long word11;
    long long word12;
    long long word13;
    long long word14;
    long long word15;
};

struct GroupCountArgs {
    const void* ids;
    void* counts;
    int items;
    int first;
    int experts;
};

struct GroupScanArgs {
    void* counts;
    void* offsets;
    int chunks;
    int experts;
};

struct GroupPlaceArgs {
    const void* ids;
    const void* starts;
    const void* offsets;
    void* origins;
    void* inverse;
    int items;
    int first;
    int experts;
};

// fault: the record that voids the plan once raised, or null.
struct GroupPlanArgs {
    const void* fault;
    const void* offsets;
    void* plan;
    int experts;
    int widest;
};

struct OneGroupPlanArgs {
    void* plan;
    int rows;
    int widest;
};

// pitch and pieces: 16-byte pieces from row to row of x, and of a row.
struct ScatterRowsArgs {
    const void* x;
    const void* inverse;
    void* rows;
    int tokens;
    int slots;
    int pitch;
    int pieces;
};

// addend: bf16 rows of width, added to the rounded sum, or null.
struct GroupCombineArgs {
    const void* rows;
    const void* inverse;
    const void* weights;
    const void* addend;
    void* y;
    int slots;
    int width;
};

struct QuantizeE4m3Args {
    const void* x;
    const void* inverse;
    const void* offsets;
    void* q;
    void* scales;
    int experts;
    int tokens;
    int slots;
    int k;
    int pitch;
    int power_of_two;
};

struct GroupedWgmmaArgs {
    TensorMap weights;
    TensorMap up;
    TensorMap tokens;
    TensorMap scales;
    const void* weight_scales;
    const void* up_scales;
    void* out;
    const void* plan;
    int features;
    int k;
};

// token_pitch: elements from row to row of tokens.
struct GroupedMmaArgs {
    const void* weights;
    const void* up;
    const void* tokens;
    void* out;
    const void* plan;
    long long token_pitch;
    int features;
    int k;
};

// lengths and bases int32 [sequences]: slots that this run's rows of a sequence look at, and where they begin among all; offsets int32 {0, slots}.
struct LatentLengthsArgs {
    const void* positions;
    const void* sequences;
    void* lengths;
    void* bases;
    void* offsets;
    int rows;
    int sequence_count;
    int capacity;
};

// expanded bf16 [slots, heads * (nope + value)], gathered bf16 [slots, latent + rope]; q and y bf16, from this pass's first head on.
struct LatentAttendArgs {
    const void* q;
    const void* expanded;
    const void* gathered;
    const void* lengths;
    const void* bases;
    const void* positions;
    const void* sequences;
    void* y;
    long long q_stride;
    long long y_stride;
    double scale;
    int rows;
    int sequence_count;
    int heads;
    int nope;
    int rope;
    int value;
    int latent;
};
