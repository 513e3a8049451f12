// Holds grouped_mma.cu, run on the host, to float64.
//
//   c++ -std=c++17 -O2 emulate.cpp -o emulate && ./emulate
#include "emulator.h"

#include "../grouped_mma.cu"

// ---- The test ----
static std::vector<int> plan_of(const std::vector<int> &sizes, int widest) {
    std::vector<int> plan(8 * (sizes.size() + 1), 0);
    int row = 0;
    int tiles = 0;
    for (size_t expert = 0; expert < sizes.size(); row += sizes[expert], expert++) {
        const int rows = sizes[expert];
        if (rows == 0) continue;
        const int parts = heng::ceil_div(rows, widest);
        const int width = parts > 1 ? heng::ceil_div(heng::ceil_div(rows, parts), 16) * 16 : heng::columns_for(rows);
        const int count = heng::ceil_div(rows, width);
        const int entry[8] = {(int)expert, row, rows, width, tiles, count, 0, 0};
        memcpy(&plan[8 * (plan[0] + 1)], entry, sizeof entry);
        plan[0]++;
        tiles += count;
    }
    plan[1] = tiles;
    return plan;
}

static std::mt19937 random_bits(20261125);
static std::vector<heng::u16> random_matrix(size_t count, float scale) {
    std::normal_distribution<float> normal(0, scale);
    std::vector<heng::u16> values(count);
    for (auto &value : values) value = heng::to_bf16(normal(random_bits));
    return values;
}

enum class Kind { PLAIN, SWIGLU, FLOATS };
static long long check(const std::vector<int> &sizes, int features, int k, Kind kind, int blocks) {
    const bool fused = kind == Kind::SWIGLU;
    int rows = 0;
    for (int size : sizes) rows += size;
    const auto weights = random_matrix(sizes.size() * features * k, 1 / std::sqrt((float)k));
    const auto up = random_matrix(weights.size(), 1 / std::sqrt((float)k));
    auto tokens = random_matrix((size_t)(rows + 3) * k, 1);
    for (size_t i = (size_t)rows * k; i < tokens.size(); i++) tokens[i] = 0x7fff;
    if (rows > 2) tokens[k + 1] = 0x7fff; // a NaN in row 1
    std::vector<heng::u16> out((size_t)(rows + 3) * features, 0xdead);
    std::vector<float> floats(kind == Kind::FLOATS ? out.size() : 0, -7.0f);
    const auto plan = plan_of(sizes, 64);
    gridDim.x = blocks;
    for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++) {
        memset(shared, 0xff, sizeof shared);
        fibers::run_block([&] {
            GroupedMmaArgs arguments{weights.data(), up.data(), tokens.data(), out.data(), plan.data(), k, features, k};
            switch (kind) {
            case Kind::PLAIN: heng_grouped_bf16_mma(arguments); break;
            case Kind::SWIGLU: heng_grouped_bf16_mma_swiglu(arguments); break;
            case Kind::FLOATS: arguments.out = floats.data(); heng_grouped_bf16_mma_f32(arguments); break;
            }
        });
    }
    long long wrong = 0;
    int row = 0;
    for (size_t expert = 0; expert < sizes.size(); expert++)
        for (int i = 0; i < sizes[expert]; i++, row++)
            for (int f = 0; f < features; f++) {
                double y[2] = {0, 0};
                double magnitude[2] = {0, 0};
                for (int c = 0; c < k; c++) {
                    const double x = heng::from_bf16(tokens[(size_t)row * k + c]);
                    const double w = heng::from_bf16(weights[(expert * features + f) * k + c]);
                    const double u = heng::from_bf16(up[(expert * features + f) * k + c]);
                    y[0] += x * w, y[1] += x * u;
                    magnitude[0] += std::fabs(x * w), magnitude[1] += std::fabs(x * u);
                }
                const bool wide = kind == Kind::FLOATS;
                const double got = wide ? floats[(size_t)row * features + f] : heng::from_bf16(out[(size_t)row * features + f]);
                const double ulp = wide ? 0x1p-24 : 0x1p-8;
                const double lost[2] = {magnitude[0] * k * 0x1p-24 + std::fabs(y[0]) * ulp, magnitude[1] * k * 0x1p-24 + std::fabs(y[1]) * ulp};
                double expected = y[0];
                double bound = lost[0];
                if (fused) {
                    expected = y[0] / (1 + std::exp(-y[0])) * y[1];
                    bound = 1.1 * lost[0] * (std::fabs(y[1]) + lost[1]) + std::fabs(y[0]) * lost[1] + std::fabs(expected) * 0x1p-8;
                }
                const bool right = row == 1 && rows > 2 ? got != got : std::fabs(got - expected) <= bound;
                wrong += !right;
            }
    for (size_t i = (size_t)rows * features; i < out.size(); i++) wrong += out[i] != 0xdead || (kind == Kind::FLOATS && floats[i] != -7.0f);
    printf("%s features %d k %d experts %zu rows %d blocks %d: %lld wrong\n", fused ? "swiglu" : kind == Kind::PLAIN ? "plain " : "floats", features, k, sizes.size(), rows, blocks,
           wrong);
    return wrong;
}

int main() {
    long long wrong = 0;
    for (Kind kind : {Kind::PLAIN, Kind::SWIGLU, Kind::FLOATS}) {
        wrong += check({0, 1, 7, 8, 9, 0, 63, 64, 65}, 136, 200, kind, 3);
        wrong += check({130}, 64, 64, kind, 2);
        wrong += check({0, 0}, 128, 72, kind, 1);
        wrong += check({17, 1}, 8, 8, kind, 1);
        wrong += check({33, 0, 96}, 320, 136, kind, 5);
        if (kind == Kind::FLOATS) wrong += check({19}, 3, 40, kind, 1);
    }
    return wrong == 0 ? 0 : 1;
}
