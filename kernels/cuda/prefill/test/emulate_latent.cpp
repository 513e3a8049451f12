// Holds latent_prefill.cuh, run on the host, to float64: several sequences in a block, padding, tails of every width, and values that are not finite
// where a row may not look.
//
//   c++ -std=c++17 -O2 emulate_latent.cpp -o emulate_latent && ./emulate_latent
#include "emulator.h"

#include "../latent_prefill.cuh"

static std::mt19937 random_bits(20261125);
static std::vector<heng::u16> random_matrix(size_t count, float scale) {
    std::normal_distribution<float> normal(0, scale);
    std::vector<heng::u16> values(count);
    for (auto &value : values) value = heng::to_bf16(normal(random_bits));
    return values;
}

struct Run {
    int sequence;
    int first;
    int count;
    int padding; // rows of padding after it
};

static int round_64(int x) { return (x + 63) / 64 * 64; }

/// `poison`: slots past the middle of the second run hold infinite values and NaN keys; only rows that see them may show it.
template <class S> static long long check(const std::vector<Run> &runs, int nope, int rope, int value, int latent, bool poison) {
    std::vector<int> positions, sequences, lengths(4, 0), bases(4, 0);
    for (const Run &run : runs) {
        for (int i = 0; i < run.count; i++) positions.push_back(run.first + i), sequences.push_back(run.sequence);
        for (int i = 0; i < run.padding; i++) positions.push_back(-1), sequences.push_back(99);
        lengths[run.sequence] = run.first + run.count;
    }
    int total = 0;
    for (int s = 0; s < 4; s++) bases[s] = total, total += round_64(lengths[s]);
    const int heads = 2, rows = (int)positions.size(), width = heads * (nope + value);
    auto q = random_matrix((size_t)rows * heads * (nope + rope), 1);
    auto expanded = random_matrix((size_t)total * width, 1);
    auto gathered = random_matrix((size_t)total * (latent + rope), 1);
    int poisoned = 1 << 30;
    if (poison) {
        const Run &run = runs.back();
        poisoned = run.first + run.count / 2;
        for (int slot = poisoned; slot < lengths[run.sequence]; slot++)
            for (int c = 0; c < width; c++) expanded[(size_t)(bases[run.sequence] + slot) * width + c] = slot % 2 ? 0x7f80 : 0x7fc0;
        for (int s = 0; s < 4; s++)
            for (int slot = lengths[s]; slot < round_64(lengths[s]); slot++)
                for (int c = 0; c < width; c++) expanded[(size_t)(bases[s] + slot) * width + c] = 0x7fc0;
    }
    const int y_stride = heads * value + 8;
    std::vector<heng::u16> y((size_t)rows * y_stride, 0xdead);
    const double scale = 1.3 / std::sqrt(nope + rope);
    static heng::LatentShared parts;
    for (int head = 0; head < heads; head++)
        for (int first = 0; first < rows; first += 128) {
            memset(shared, 0xff, sizeof shared);
            const heng::LatentHead one{q.data() + head * (nope + rope),
                                       expanded.data() + head * (nope + value),
                                       gathered.data(),
                                       y.data() + head * value,
                                       heads * (nope + rope),
                                       y_stride,
                                       width,
                                       latent + rope,
                                       nope,
                                       rope,
                                       value,
                                       latent,
                                       (float)scale};
            fibers::run_block([&] {
                heng::latent_attend<S>(one, positions.data(), sequences.data(), lengths.data(), bases.data(), 4, first, std::min(128, rows - first),
                                       shared, parts);
            });
        }
    long long wrong = 0;
    double worst = 0;
    for (int row = 0; row < rows; row++)
        for (int head = 0; head < heads; head++) {
            const int position = positions[row];
            std::vector<double> score(position + 1), sum(value, 0.0), magnitude(value, 0.0);
            double largest = -1e300, normaliser = 0;
            const bool sees_poison = position >= poisoned && sequences[row] == runs.back().sequence;
            for (int slot = 0; slot <= position; slot++) {
                const size_t at = bases[sequences[row]] + slot;
                double dot = 0;
                for (int c = 0; c < nope + rope; c++) {
                    const heng::u16 key = c < nope ? expanded[at * width + head * (nope + value) + c] : gathered[at * (latent + rope) + latent + c - nope];
                    dot += (double)heng::from_bf16(q[((size_t)row * heads + head) * (nope + rope) + c]) * heng::from_bf16(key);
                }
                score[slot] = dot * scale;
                largest = std::max(largest, score[slot]);
            }
            for (int slot = 0; slot <= position; slot++) normaliser += std::exp(score[slot] - largest);
            for (int slot = 0; slot <= position; slot++)
                for (int c = 0; c < value; c++) {
                    const size_t at = (bases[sequences[row]] + slot) * (size_t)width + head * (nope + value) + nope + c;
                    const double part = std::exp(score[slot] - largest) / normaliser * heng::from_bf16(expanded[at]);
                    sum[c] += part, magnitude[c] += std::fabs(part);
                }
            for (int c = 0; c < value; c++) {
                const double got = heng::from_bf16(y[(size_t)row * y_stride + head * value + c]);
                // Probabilities and the result are rounded to bf16, and exp and sums err by far less.
                const double bound = magnitude[c] * (0x1p-8 + 1e-4) + std::fabs(sum[c]) * 0x1p-8;
                bool right = std::fabs(got - sum[c]) <= bound;
                if (position < 0) right = y[(size_t)row * y_stride + head * value + c] == 0;
                else if (sees_poison) right = got != got;
                if (position >= 0 && !sees_poison) worst = std::max(worst, std::fabs(got - sum[c]) / bound);
                wrong += !right;
            }
        }
    for (int row = 0; row < rows; row++)
        for (int c = heads * value; c < y_stride; c++) wrong += y[(size_t)row * y_stride + c] != 0xdead;
    printf("rows %d nope %d rope %d value %d%s: %lld wrong, worst %.2f of the bound\n", rows, nope, rope, value, poison ? " poison" : "", wrong, worst);
    return wrong;
}

int main() {
    using Any = heng::LatentShape<12, 8, false>;
    using Exact = heng::LatentShape<12, 8, true>;
    long long wrong = 0;
    for (bool poison : {false, true}) {
        wrong += check<Any>({{0, 0, 5, 0}}, 16, 8, 16, 32, poison);
        wrong += check<Any>({{0, 0, 9, 2}, {2, 60, 9, 1}, {1, 0, 70, 0}}, 24, 8, 40, 48, poison);
        wrong += check<Any>({{1, 130, 140, 3}}, 8, 8, 8, 16, poison);
        wrong += check<Exact>({{0, 3, 70, 0}, {3, 64, 80, 5}}, 128, 64, 128, 64, poison);
    }
    return wrong == 0 ? 0 : 1;
}
