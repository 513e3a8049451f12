// The argument block of every kernel: one struct each, passed by value as the kernel's only parameter.
//
// Java reads this very file to learn the layout (dev.heng.kernels.cuda.ArgumentBlocks), so it keeps to a small grammar: one field on a line,
// of type `const void*`, `void*`, `long long`, `int`, `float` or `double`, or of a struct that stands above; no arrays, no other declarations.
// A struct may be declared alignas(N).
// Pointers are device addresses. Strides are in elements unless their name says bytes.
#pragma once

// The first datum out of range that a kernel met (RUN-005); lives in device memory, zero while all is well.
struct Fault {
    int raised;
    int program;
    int node;
    int operand;
    long long index;
    double value;
};

// Where a kernel comes from, for faults.
struct Origin {
    void* fault;
    int program;
    int node;
};

// Rows of an activation, input or output.
struct Rows {
    void* data;
    long long stride;
    int type;
    int columns;
};

// A weight as stored. Experts lie one after the other at equal strides.
struct Weight {
    const void* data;
    const void* scales;
    const void* zeros;
    long long expert_bytes;
    long long expert_scale_bytes;
    long long expert_zero_bytes;
    long long row_bytes;
    int format;
    int scale_type;
    int rows;
    int columns;
    int block_rows;
    int block_columns;
};

// Positions, sequences and the page table of a run, and one paged cache.
struct Cache {
    void* data;
    const void* positions;
    const void* sequences;
    const void* page_table;
    long long width;
    long long pages;
    int type;
    int page_size;
    int sequence_count;
    int table_stride;
};

struct EmbedArgs {
    Origin origin;
    Weight table;
    const void* ids;
    Rows y;
};

struct CopyArgs {
    Rows x;
    Rows y;
    int rows;
};

struct AddArgs {
    Rows a;
    Rows b;
    Rows y;
};

struct SwigluArgs {
    Rows gate;
    Rows up;
    Rows y;
};

// y[r] = x[rows_of[r] / divisor]; rows whose index is negative are left alone if skip_negative, and faults otherwise.
struct GatherArgs {
    Origin origin;
    Rows x;
    Rows y;
    const void* rows_of;
    int x_rows;
    int divisor;
    int skip_negative;
};

struct RmsNormArgs {
    Rows x;
    Rows y;
    Weight weight;
    double epsilon;
    int group;
};

// table[t][pair] = (cos, sin) in double.
struct RopeTableArgs {
    const void* positions;
    const void* inverse;
    void* table;
    double factor;
    int pairs;
};

struct RopeArgs {
    Rows x;
    Rows y;
    const void* table;
    const void* positions;
    int head_dim;
    int offset;
    int pairs;
    int interleaved;
};

struct KvCheckArgs {
    Origin origin;
    Cache cache;
    int rows;
    int positions_operand;
};

struct KvAppendArgs {
    Origin origin;
    Cache cache;
    Rows part;
    int offset;
};

struct QuantizeFp8Args {
    Rows x;
    Rows y;
    int power_of_two;
};

struct QuantizeInt8Args {
    Rows x;
    void* q;
    void* scales;
};

// y = round(sum_round(x . W^T + bias) + addend), for few rows: one warp for each pair of outputs.
struct LinearArgs {
    Weight weight;
    Weight bias;
    Rows x;
    Rows y;
    Rows addend;
    Rows second;
    int rows;
    int round_to;
    int sum_round_to;
};

// y = swiglu(round(x . gate^T), round(x . up^T)); with ids the matrices are those of each slot's expert, and y has a row for each slot.
struct GatedArgs {
    Weight gate;
    Weight up;
    const void* ids;
    Rows x;
    Rows y;
    int rows;
    int top_k;
    int first_expert;
    int experts;
    int round_to;
};

// y = the chosen experts' results, weighted and summed in the order of slots, and an addend.
struct ExpertDownArgs {
    Weight down;
    const void* ids;
    const void* weights;
    Rows h;
    Rows y;
    Rows addend;
    int top_k;
    int first_expert;
    int experts;
    int round_to;
    int sum_round_to;
};

// What precedes latent attention in a step of few rows: the latent's norm, both rotations, and the append.
struct LatentArgs {
    Origin origin;
    Cache cache;
    Weight norm;
    Rows latent;
    Rows rope_key;
    Rows q;
    Rows rotated;
    const void* table;
    double epsilon;
    int rows;
    int positions_operand;
    int heads;
    int nope;
    int pairs;
    int interleaved;
};

struct LinearInt8Args {
    Weight weight;
    Weight bias;
    const void* q;
    const void* scales;
    const void* offsets;
    Rows y;
    Rows addend;
    Rows second;
    int rows;
    int round_to;
    int sum_round_to;
    int experts;
};

struct GroupedCheckArgs {
    Origin origin;
    const void* offsets;
    int experts;
    int rows;
};

struct GroupedArgs {
    Origin origin;
    Weight weight;
    const void* offsets;
    Rows x;
    Rows y;
    int rows;
    int experts;
};

struct AbsorbArgs {
    Weight kv_b;
    Rows q;
    void* absorbed;
    int heads;
    int nope;
    int rope;
    int value;
    int latent;
};

// Attention of every row over its sequence's slots: keys of key_width from key_offset + kv_head * key_width, values likewise.
// Partials: for each (row, head, split) value_width sums, then a maximum and a normaliser.
struct AttendArgs {
    Origin origin;
    Cache keys;
    Cache values;
    Rows q;
    void* partial;
    double scale;
    int heads;
    int group;
    int key_width;
    int value_width;
    int splits;
    int slots_per_split;
    int first_row;
    int table_operand;
};

struct MergeArgs {
    const void* partial;
    const void* positions;
    Rows y;
    int heads;
    int width;
    int splits;
    int slots_per_split;
};

struct MlaValuesArgs {
    Weight kv_b;
    const void* partial;
    const void* positions;
    Rows y;
    int heads;
    int nope;
    int value;
    int latent;
    int splits;
    int slots_per_split;
};

struct RouteArgs {
    const void* logits;
    const void* bias;
    void* ids;
    void* weights;
    long long stride;
    double scale;
    int experts;
    int top_k;
    int score;
    int groups;
    int kept_groups;
    int two_sum;
    int masked_zero;
    int normalize;
};

struct DispatchArgs {
    const void* ids;
    void* offsets;
    void* origins;
    int slots;
    int first_expert;
    int experts;
};

struct InvertArgs {
    Origin origin;
    const void* origins;
    void* places;
    int rows;
};

struct CombineArgs {
    Rows x;
    Rows y;
    const void* places;
    const void* weights;
    int top_k;
};

struct ArgmaxArgs {
    Rows x;
    void* ids;
};

struct SampleArgs {
    Origin origin;
    Rows x;
    const void* temperature;
    const void* top_k;
    const void* top_p;
    const void* seed;
    const void* counter;
    void* ids;
};

struct ReceiptArgs {
    const void* offsets;
    void* received;
    void* receipt;
    int experts;
};

// Elements of a weight as bf16 and, for each feature and 128 columns, the float32 factor that they stand under.
struct UnpackArgs {
    Weight weight;
    void* elements;
    void* scales;
    int first_expert;
    int experts;
};

// Rows of a paged cache, side by side.
struct LatentGatherArgs {
    Origin origin;
    Cache cache;
    const void* lengths;
    const void* bases;
    void* gathered;
    int table_operand;
};
