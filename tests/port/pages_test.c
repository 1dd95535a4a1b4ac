/* Pages: mapping, giving back, renewing, and each kind of guard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>

#include "port/child.h"
#include "port/linux/pages.h"

static size_t page;

static bool all_zero(const char *memory, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (memory[i] != 0) {
            return false;
        }
    }
    return true;
}

static void maps_zeroed_and_aligned(void **state) {
    (void)state;
    for (size_t alignment = page; alignment <= 64 * page; alignment *= 2) {
        char *pages = port_pages_map(3 * page, alignment);
        assert_non_null(pages);
        assert_int_equal((uintptr_t)pages % alignment, 0);
        assert_true(all_zero(pages, 3 * page));
        memset(pages, 'x', 3 * page);
        port_pages_unmap(pages, 3 * page);
    }
}

static void fails_without_address_space(void **state) {
    (void)state;
    assert_null(port_pages_map((size_t)1 << 60, page));
    assert_null(port_pages_map(SIZE_MAX / page * page, 16 * page));
}

static void discard_keeps_the_addresses(void **state) {
    (void)state;
    char *pages = port_pages_map(3 * page, page);
    memset(pages, 'x', 3 * page);
    port_pages_discard(pages + page, page);
    assert_int_equal(pages[page - 1], 'x');
    assert_true(all_zero(pages + page, page));
    assert_int_equal(pages[2 * page], 'x');
    port_pages_unmap(pages, 3 * page);
}

/* The second time the system's way for many ranges fails, because a hole is among them. */
static void discards_many_ranges(void **state) {
    (void)state;
    char *pages = port_pages_map(7 * page, page);
    for (int hole = 0; hole < 2; hole++) {
        memset(pages, 'x', (hole ? 3 : 7) * page);
        port_range ranges[] = {{pages, page}, {pages + 4 * page, page}, {pages + 2 * page, page}};
        port_pages_discard_each(ranges, 3);
        assert_true(all_zero(pages, page));
        assert_int_equal(pages[page], 'x');
        assert_int_equal(pages[2 * page - 1], 'x');
        assert_true(all_zero(pages + 2 * page, page));
        if (!hole) {
            assert_int_equal(pages[3 * page], 'x');
            assert_true(all_zero(pages + 4 * page, page));
            port_pages_unmap(pages + 4 * page, page);
        }
    }
    port_pages_discard_each(NULL, 0);
    port_pages_unmap(pages, 4 * page);
    port_pages_unmap(pages + 5 * page, 2 * page);
}

static void renew_replaces_them(void **state) {
    (void)state;
    char *pages = port_pages_map(3 * page, page);
    memset(pages, 'x', 3 * page);
    assert_true(port_pages_renew(pages + page, page));
    assert_int_equal(pages[page - 1], 'x');
    assert_true(all_zero(pages + page, page));
    assert_int_equal(pages[2 * page], 'x');
    pages[page] = 'y';
    port_pages_unmap(pages, 3 * page);
}

static void touched_is_counted_from_the_first(void **state) {
    (void)state;
    char *pages = port_pages_map(200 * page, page);
    assert_int_equal(port_pages_touched(pages, 200 * page), 0);
    pages[199 * page] = 1;
    assert_int_equal(port_pages_touched(pages, 200 * page), page);
    pages[90 * page] = 1;
    assert_int_equal(port_pages_touched(pages, 200 * page), 110 * page);
    port_pages_discard(pages, 200 * page);
    assert_int_equal(port_pages_touched(pages, 200 * page), 0);
    port_pages_unmap(pages, 200 * page);
}

static void read_byte(void *address) {
    (void)*(volatile char *)address;
}

static void write_byte(void *address) {
    *(volatile char *)address = 1;
}

static void check_guard(port_guard kind) {
    pages_guard_restrict(kind);
    char *pages = port_pages_map(3 * page, page);
    memset(pages, 'x', 3 * page);
    port_guard got = port_pages_guard(pages + page, page);
    pages_guard_restrict(PORT_GUARD_MARKER);
    if (kind == PORT_GUARD_MARKER && got == PORT_GUARD_PROTECT) {
        skip(); /* an older kernel */
    }
    assert_int_equal(got, kind);
    int expected = kind == PORT_GUARD_NONE ? 0 : 1000 + SIGSEGV;
    assert_int_equal(child_run(read_byte, pages + page, NULL), expected);
    assert_int_equal(child_run(write_byte, pages + 2 * page - 1, NULL), expected);
    assert_int_equal(child_run(write_byte, pages + page - 1, NULL), 0);
    assert_int_equal(child_run(write_byte, pages + 2 * page, NULL), 0);
    port_pages_discard(pages, 3 * page);
    assert_int_equal(child_run(read_byte, pages + page, NULL), expected);
    port_pages_unmap(pages, 3 * page);
}

static void guard_by_marker(void **state) {
    (void)state;
    check_guard(PORT_GUARD_MARKER);
}

static void guard_by_mprotect(void **state) {
    (void)state;
    check_guard(PORT_GUARD_PROTECT);
}

static void no_guard(void **state) {
    (void)state;
    check_guard(PORT_GUARD_NONE);
}

int main(void) {
    page = port_page_size();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_zeroed_and_aligned),
        cmocka_unit_test(fails_without_address_space),
        cmocka_unit_test(discard_keeps_the_addresses),
        cmocka_unit_test(discards_many_ranges),
        cmocka_unit_test(renew_replaces_them),
        cmocka_unit_test(touched_is_counted_from_the_first),
        cmocka_unit_test(guard_by_marker),
        cmocka_unit_test(guard_by_mprotect),
        cmocka_unit_test(no_guard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
