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

// Products for few rows: y = round(sum_round(round(x' . W^T + bias) + addend) + second). x' is x, or its norm where there is one, and then stands in
// `normed` too where that is given. `other` may be a second weight of the same columns and format, whose product goes to other_y as it is.
struct ProjectArgs {
    Weight weight;
    Weight bias;
    Weight other;
    Weight norm;
    Rows x;
    Rows normed;
    Rows y;
    Rows other_y;
    Rows addend;
    Rows second;
    double epsilon;
    int rows;
    int round_to;
    int sum_round_to;
    int norm_round_to;
};

// y = swiglu(round(x . gate^T), round(x . up^T)) for each row, and for each slot the same with its expert's matrices; either may be missing.
struct GatedArgs {
    Weight gate;
    Weight up;
    Weight expert_gate;
    Weight expert_up;
    const void* ids;
    Rows x;
    Rows y;
    Rows expert_y;
    int rows;
    int top_k;
    int first_expert;
    int experts;
    int round_to;
    int expert_round_to;
};

// y = the chosen experts' results, weighted and summed in the order of slots, rounded; plus the shared expert's, rounded; plus an addend.
struct ExpertDownArgs {
    Weight down;
    Weight shared_down;
    const void* ids;
    const void* weights;
    Rows h;
    Rows shared_h;
    Rows y;
    Rows addend;
    int top_k;
    int first_expert;
    int experts;
    int round_to;
    int combine_round_to;
    int shared_round_to;
    int sum_round_to;
};

// What precedes latent attention in a step of few rows: the latent's norm, the key's rotation and the append; queries rotated and taken through K_h.
struct LatentArgs {
    Origin origin;
    Cache cache;
    Weight norm;
    Weight kv_b;
    Rows latent;
    Rows rope_key;
    Rows q;
    void* absorbed;
    const void* table;
    double epsilon;
    int rows;
    int positions_operand;
    int heads;
    int nope;
    int value;
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
// Partials: for each (row, head, split) value_width sums, then a maximum and a normaliser. all_rows: whether the grid has every row of the run.
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
    int first_row;
    int table_operand;
    int all_rows;
};

struct MergeArgs {
    const void* partial;
    const void* positions;
    Rows y;
    int heads;
    int width;
    int splits;
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
};

struct RouteArgs {
    const void* logits;
    const void* bias;
    void* ids;
    void* weights;
    long long stride;
    double scale;
    int rows;
    int experts;
    int top_k;
    int score;
    int groups;
    int kept_groups;
    int two_sum;
    int masked_zero;
    int normalize;
};

// The product that gives the logits, and the choice by the block that ends last. `finished` counts blocks and is zero before and after.
struct RouterArgs {
    ProjectArgs product;
    RouteArgs route;
    void* finished;
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

// best[row][block]: the rank of the largest number of a part of a row, 0 where there is none.
struct LargestArgs {
    Rows x;
    void* best;
};

struct ArgmaxArgs {
    const void* best;
    void* ids;
    int parts;
};

struct SampleArgs {
    Origin origin;
    Rows x;
    const void* best;
    const void* temperature;
    const void* top_k;
    const void* top_p;
    const void* seed;
    const void* counter;
    void* ids;
    int parts;
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
