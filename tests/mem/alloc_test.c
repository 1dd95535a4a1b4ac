/* Allocation: zeroed, aligned, through the hook, and back the way it came. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "mem/alloc.h"

static void zeroed_and_aligned(void **state) {
    (void)state;
    const allocator *heap = allocator_default();
    for (size_t alignment = 1; alignment <= 4096; alignment *= 2) {
        for (int again = 0; again < 3; again++) {
            size_t size = 3 * alignment + 40;
            char *memory = mem_allocate(heap, size, alignment);
            assert_non_null(memory);
            assert_int_equal((uintptr_t)memory % (alignment < 16 ? 16 : alignment), 0);
            for (size_t i = 0; i < size; i++) {
                assert_int_equal(memory[i], 0);
            }
            memset(memory, 0xee, size); /* what the next one would find */
            mem_release(heap, memory, size, alignment);
        }
    }
}

typedef struct tally {
    size_t size;
    size_t alignment;
    int allocated;
    int released;
    bool refuse;
} tally;

static void *tally_allocate(size_t size, size_t alignment, void *arg) {
    tally *t = arg;
    t->size = size;
    t->alignment = alignment;
    t->allocated++;
    void *memory = t->refuse ? NULL : aligned_alloc(alignment, (size + 63) / 64 * 64);
    return memory == NULL ? NULL : memset(memory, 0xdd, size);
}

static void tally_release(void *memory, size_t size, size_t alignment, void *arg) {
    tally *t = arg;
    t->released++;
    assert_int_equal(size, t->size);
    assert_int_equal(alignment, t->alignment);
    free(memory);
}

static void goes_through_the_hook(void **state) {
    (void)state;
    tally t = {0};
    allocator hook = {tally_allocate, tally_release, &t};
    char *memory = mem_allocate(&hook, 100, 4);
    assert_non_null(memory);
    assert_int_equal(t.size, 100);
    assert_int_equal(t.alignment, 16);
    assert_int_equal(memory[0] | memory[99], 0);
    mem_release(&hook, memory, 100, 4);
    mem_release(&hook, NULL, 100, 4);
    assert_int_equal(t.allocated, 1);
    assert_int_equal(t.released, 1);
}

static void refusal_is_null(void **state) {
    (void)state;
    tally t = {.refuse = true};
    allocator hook = {tally_allocate, tally_release, &t};
    assert_null(mem_allocate(&hook, 64, 64));
    assert_int_equal(t.allocated, 1);
#if !defined(BELAY_TSAN) && !defined(BELAY_ASAN) /* a sanitizer ends the process instead */
    assert_null(mem_allocate(allocator_default(), (size_t)1 << 60, 16));
    assert_null(mem_allocate(allocator_default(), (size_t)1 << 60, 64));
#endif
}

/* Present only when this program was linked with jemalloc. */
extern void *mallocx(size_t size, int flags) __attribute__((weak));

static void jemalloc_when_the_host_has_it(void **state) {
    (void)state;
#if defined(BELAY_TSAN) || defined(BELAY_ASAN)
    assert_string_equal(allocator_default_name(), "malloc");
#else
    assert_string_equal(allocator_default_name(), mallocx != NULL ? "jemalloc" : "malloc");
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_and_aligned),
        cmocka_unit_test(goes_through_the_hook),
        cmocka_unit_test(refusal_is_null),
        cmocka_unit_test(jemalloc_when_the_host_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
