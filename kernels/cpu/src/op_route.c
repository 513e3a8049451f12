/* Choosing experts, and sorting rows by the experts that were chosen. */
#include "program.h"

#include <stdlib.h>

static void route_check(const heng_cpu_instruction *in, heng_needs *needs) {
    const heng_cpu_route *op = &in->as.route;
    heng_check_pointer(needs, "logits", op->logits);
    heng_check_pointer(needs, "ids", op->ids);
    heng_check_pointer(needs, "weights", op->weights);
    heng_check_that(needs, op->experts >= 1 && op->groups >= 1 && op->experts % op->groups == 0, "experts do not divide into the groups");
    heng_check_that(needs, op->kept_groups >= 1 && op->kept_groups <= op->groups, "kept_groups is not within 1..groups");
    heng_check_that(needs, op->score >= 0 && op->score <= HENG_CPU_SCORE_SQRT_SOFTPLUS, "score is unknown");
    if (needs->wrong != NULL) return;
    heng_check_that(needs, op->top_k >= 1 && op->top_k <= op->experts / op->groups * op->kept_groups, "top_k exceeds the experts that may be chosen");
    needs->private_bytes = (op->experts * 2 + op->groups) * (int64_t)sizeof(float) + op->experts + op->groups + 64;
}

static int64_t route_tasks(heng_context *context, int phase) {
    (void)phase;
    return heng_ceil_div(context->rows, 4);
}

/* Whether a is chosen before b: larger, a number before NaN; equal numbers keep their order. */
static bool before(float a, float b) { return a > b || (a == a && b != b); }

/* Returns the best untaken entry; every entry, NaN and -infinity included, is taken at some point, so that ids are distinct. */
static int64_t take_best(const float *scores, char *taken, int64_t count) {
    int64_t best = -1;
    for (int64_t i = 0; i < count; i++)
        if (!taken[i] && (best < 0 || before(scores[i], scores[best]))) best = i;
    taken[best] = 1;
    return best;
}

static void route_row(const heng_context *context, const heng_cpu_route *op, int64_t row) {
    const float *logits = op->logits + row * op->logits_stride;
    const int64_t experts = op->experts, size = experts / op->groups;
    float *scores = (float *)context->scratch, *choice = scores + experts, *group_scores = choice + experts;
    char *taken = (char *)(group_scores + op->groups), *group_kept = taken + experts;
    switch (op->score) {
        case HENG_CPU_SCORE_SIGMOID:
            for (int64_t e = 0; e < experts; e++) scores[e] = (float)(1.0 / (1.0 + exp(-(double)logits[e])));
            break;
        case HENG_CPU_SCORE_SQRT_SOFTPLUS:
            for (int64_t e = 0; e < experts; e++) {
                double x = logits[e];
                scores[e] = (float)sqrt((x > 0 ? x : 0) + log1p(exp(-fabs(x))) + (x != x ? x : 0));
            }
            break;
        default: {
            double largest = -INFINITY, sum = 0;
            for (int64_t e = 0; e < experts; e++) largest = logits[e] > largest ? logits[e] : largest;
            for (int64_t e = 0; e < experts; e++) sum += exp((double)logits[e] - largest);
            for (int64_t e = 0; e < experts; e++) scores[e] = (float)(exp((double)logits[e] - largest) / sum);
            break;
        }
    }
    for (int64_t e = 0; e < experts; e++) choice[e] = op->bias != NULL ? scores[e] + op->bias[e] : scores[e];
    memset(taken, 0, (size_t)experts);
    if (op->groups > 1) {
        for (int64_t g = 0; g < op->groups; g++) {
            float first = -INFINITY, second = -INFINITY;
            bool nan = false;
            for (int64_t e = g * size; e < (g + 1) * size; e++) {
                nan |= choice[e] != choice[e];
                if (choice[e] > first) {
                    second = first;
                    first = choice[e];
                } else if (choice[e] > second) {
                    second = choice[e];
                }
            }
            group_scores[g] = nan ? NAN : op->group_score == HENG_CPU_GROUP_TOP2_SUM ? first + second : first;
        }
        memset(group_kept, 0, (size_t)op->groups);
        for (int64_t g = 0; g < op->kept_groups; g++) take_best(group_scores, group_kept, op->groups);
        for (int64_t e = 0; e < experts; e++)
            if (!group_kept[e / size]) {
                if (op->masked_to_zero)
                    choice[e] = 0;
                else
                    taken[e] = 1; /* never chosen; the kept groups hold at least top_k experts */
            }
    }
    int32_t *ids = op->ids + row * op->top_k;
    float *weights = op->weights + row * op->top_k;
    double sum = 0;
    for (int64_t j = 0; j < op->top_k; j++) {
        ids[j] = (int32_t)take_best(choice, taken, experts);
        sum += scores[ids[j]];
    }
    for (int64_t j = 0; j < op->top_k; j++) {
        double weight = scores[ids[j]];
        if (op->normalize) weight = weight / (sum + 1e-20);
        weights[j] = (float)(weight * op->scaling);
    }
}

static void route_task(heng_context *context, int phase, int64_t task) {
    (void)phase;
    for (int64_t r = task * 4; r < heng_min(context->rows, task * 4 + 4); r++) route_row(context, &context->instruction->as.route, r);
}

const heng_operation heng_op_route = {"ROUTE", 1, route_check, route_tasks, route_task, false};

/* ---- group: a counting sort, done by one thread; it is a few thousand integers at most ---- */

static void group_check(const heng_cpu_instruction *in, heng_needs *needs) {
    const heng_cpu_group *op = &in->as.group;
    heng_check_pointer(needs, "ids", op->ids);
    heng_check_that(needs, op->offsets != NULL && op->origins != NULL && op->places != NULL, "a result is null");
    heng_check_that(needs, op->top_k >= 1 && op->experts >= 1, "top_k or experts is not positive");
    needs->private_bytes = op->experts * 4 + 64;
}

static int64_t group_tasks(heng_context *context, int phase) {
    (void)context;
    (void)phase;
    return 1;
}

static void group_task(heng_context *context, int phase, int64_t task) {
    (void)phase;
    (void)task;
    const heng_cpu_group *op = &context->instruction->as.group;
    const int64_t slots = context->rows * op->top_k;
    memset(op->offsets, 0, (size_t)(op->experts + 1) * 4);
    for (int64_t s = 0; s < slots; s++) {
        int64_t e = (int64_t)op->ids[s] - op->first_expert;
        if (e >= 0 && e < op->experts) op->offsets[e + 1]++;
    }
    int32_t *next = (int32_t *)context->scratch;
    for (int64_t e = 0; e < op->experts; e++) {
        op->offsets[e + 1] += op->offsets[e];
        next[e] = op->offsets[e];
    }
    for (int64_t s = 0; s < slots; s++) {
        int64_t e = (int64_t)op->ids[s] - op->first_expert;
        if (e >= 0 && e < op->experts) {
            op->places[s] = next[e];
            op->origins[next[e]++] = (int32_t)s;
        } else {
            op->places[s] = -1;
        }
    }
    for (int64_t r = op->offsets[op->experts]; r < slots; r++) op->origins[r] = -1;
}


const heng_operation heng_op_group = {"GROUP", 1, group_check, group_tasks, group_task, true};

static void invert_check(const heng_cpu_instruction *in, heng_needs *needs) {
    heng_check_pointer(needs, "origins", in->as.invert.origins);
    heng_check_pointer(needs, "places", in->as.invert.places);
}

static int64_t invert_tasks(heng_context *context, int phase) {
    (void)context;
    (void)phase;
    return 1;
}

static void invert_task(heng_context *context, int phase, int64_t task) {
    (void)phase;
    (void)task;
    const heng_cpu_invert *op = &context->instruction->as.invert;
    for (int64_t s = 0; s < context->rows; s++) op->places[s] = -1;
    for (int64_t r = 0; r < context->rows; r++) {
        int64_t slot = op->origins[r];
        if (slot == -1) continue;
        if (slot < 0 || slot >= context->rows || op->places[slot] >= 0) {
            heng_task_fail(context, "origin %lld is out of range or stands twice among %lld rows", slot, context->rows);
            return;
        }
        op->places[slot] = (int32_t)r;
    }
}

const heng_operation heng_op_invert = {"INVERT", 1, invert_check, invert_tasks, invert_task, false};
