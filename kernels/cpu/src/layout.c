/* The layout of every structure of heng_cpu.h as text, so that a binding in another language need not repeat it. */
#include "internal.h"

#include <pthread.h>
#include <stdio.h>

static char text[32768];
static size_t used;

static void line(const char *name, size_t offset, size_t bytes) {
    int n = snprintf(text + used, sizeof text - used, "%s %zu %zu\n", name, offset, bytes);
    if (n > 0) used += (size_t)n;
}

static void constant(const char *name, long value) {
    int n = snprintf(text + used, sizeof text - used, "const %s %ld\n", name, value);
    if (n > 0) used += (size_t)n;
}

#define SIZE(type) line("sizeof " #type, 0, sizeof(heng_cpu_##type))
#define FIELD(type, field) line(#type "." #field, offsetof(heng_cpu_##type, field), sizeof(((heng_cpu_##type *)0)->field))
#define OPERAND(type, field) \
    line(#type "." #field, offsetof(heng_cpu_instruction, as.type.field), sizeof(((heng_cpu_instruction *)0)->as.type.field))
#define CONSTANT(name) constant(#name, (long)HENG_CPU_##name)

static void write_layout(void) {
#include "layout_fields.inc"
}

const char *heng_cpu_layout(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, write_layout);
    return text;
}
