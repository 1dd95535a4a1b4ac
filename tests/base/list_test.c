/* The intrusive list: order from both ends, unlinking, splicing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/list.h"

enum { NODES = 6 };

typedef struct item {
    int before;
    list link;
} item;

static item items[NODES];
static list head;

static int start(void **state) {
    (void)state;
    list_init(&head);
    for (int i = 0; i < NODES; i++) {
        items[i].before = i;
        list_init(&items[i].link);
    }
    return 0;
}

/* The list holds exactly these items, read forwards and backwards. */
static void assert_holds(list *l, const int *want, size_t count) {
    list *node = l->next;
    for (size_t i = 0; i < count; i++, node = node->next) {
        assert_ptr_not_equal(node, l);
        assert_int_equal(list_entry(node, item, link)->before, want[i]);
    }
    assert_ptr_equal(node, l);
    node = l->prev;
    for (size_t i = count; i-- > 0; node = node->prev) {
        assert_ptr_not_equal(node, l);
        assert_int_equal(list_entry(node, item, link)->before, want[i]);
    }
    assert_ptr_equal(node, l);
    assert_int_equal(list_empty(l), count == 0);
}

#define HOLDS(l, ...)                                                                              \
    assert_holds(l, (int[]){__VA_ARGS__}, sizeof((int[]){__VA_ARGS__}) / sizeof(int))

static void append_up_to(int count) {
    for (int i = 0; i < count; i++) {
        list_append(&head, &items[i].link);
    }
}

static void begins_empty(void **state) {
    (void)state;
    assert_holds(&head, NULL, 0);
    assert_true(list_empty(&items[0].link)); /* not in a list */
}

static void append_goes_last(void **state) {
    (void)state;
    append_up_to(3);
    HOLDS(&head, 0, 1, 2);
    assert_false(list_empty(&items[1].link));
}

static void prepend_goes_first(void **state) {
    (void)state;
    list_prepend(&head, &items[0].link);
    list_prepend(&head, &items[1].link);
    list_append(&head, &items[2].link);
    HOLDS(&head, 1, 0, 2);
}

static void remove_anywhere(void **state) {
    (void)state;
    append_up_to(5);
    list_remove(&items[2].link);
    HOLDS(&head, 0, 1, 3, 4);
    list_remove(&items[0].link);
    HOLDS(&head, 1, 3, 4);
    list_remove(&items[4].link);
    HOLDS(&head, 1, 3);
    list_append(&head, &items[2].link);
    HOLDS(&head, 1, 3, 2);
}

static void removing_twice_is_harmless(void **state) {
    (void)state;
    append_up_to(3);
    list_remove(&items[1].link);
    assert_true(list_empty(&items[1].link));
    list_remove(&items[1].link);
    HOLDS(&head, 0, 2);
    list_remove(&items[0].link);
    list_remove(&items[2].link);
    assert_holds(&head, NULL, 0);
}

static void splice_moves_everything_to_the_end(void **state) {
    (void)state;
    list other;
    list_init(&other);
    append_up_to(2);
    list_splice(&head, &other); /* nothing to move */
    HOLDS(&head, 0, 1);
    for (int i = 2; i < 5; i++) {
        list_append(&other, &items[i].link);
    }
    list_splice(&head, &other);
    HOLDS(&head, 0, 1, 2, 3, 4);
    assert_holds(&other, NULL, 0);
    list_splice(&other, &head);
    HOLDS(&other, 0, 1, 2, 3, 4);
    assert_holds(&head, NULL, 0);
}

static void a_part_moves_in_order(void **state) {
    (void)state;
    list other;
    list_init(&other);
    append_up_to(5);
    list_move_until(&other, &head, &items[0].link); /* nothing to move */
    assert_holds(&other, NULL, 0);
    list_move_until(&other, &head, &items[2].link);
    HOLDS(&other, 0, 1);
    HOLDS(&head, 2, 3, 4);
    list_move_until(&other, &head, &head); /* the rest */
    HOLDS(&other, 0, 1, 2, 3, 4);
    assert_holds(&head, NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(begins_empty, start),
        cmocka_unit_test_setup(append_goes_last, start),
        cmocka_unit_test_setup(prepend_goes_first, start),
        cmocka_unit_test_setup(remove_anywhere, start),
        cmocka_unit_test_setup(removing_twice_is_harmless, start),
        cmocka_unit_test_setup(splice_moves_everything_to_the_end, start),
        cmocka_unit_test_setup(a_part_moves_in_order, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
