/* Stocks of addresses: order at both ends, blocks that go back and forth, and their number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mem/stock.h"

enum { BLOCKS = 10, ITEMS = (BLOCKS - 2) * STOCK_BLOCK };

static stock_block blocks[BLOCKS];
static char memory[BLOCKS * STOCK_BLOCK];
static stock_block *empty;

static int with_all_blocks(void **state) {
    (void)state;
    empty = NULL;
    for (int i = 0; i < BLOCKS; i++) {
        stock_keep(&empty, &blocks[i]);
    }
    return 0;
}

static int empty_blocks(void) {
    int count = 0;
    for (stock_block *b = empty; b != NULL; b = b->below) {
        count++;
    }
    return count;
}

static void fill(stock *s, int from, int to) {
    for (int i = from; i < to; i++) {
        stock_push(s, &empty, &memory[i]);
    }
}

static void last_in_first_out(void **state) {
    (void)state;
    stock s = {NULL, NULL};
    assert_null(stock_pop(&s, &empty));
    assert_null(stock_cut(&s));
    for (int round = 0; round < 2; round++) {
        fill(&s, 0, ITEMS);
        assert_int_equal(empty_blocks(), 2);
        for (int i = ITEMS; i-- > 0;) {
            assert_ptr_equal(stock_pop(&s, &empty), &memory[i]);
        }
        assert_null(stock_pop(&s, &empty));
        assert_int_equal(empty_blocks(), BLOCKS);
    }
}

static void a_cut_takes_the_oldest(void **state) {
    (void)state;
    stock s = {NULL, NULL};
    fill(&s, 0, 2 * STOCK_BLOCK + 1);
    for (int i = 0; i < 2; i++) {
        stock_block *full = stock_cut(&s);
        assert_int_equal(full->count, STOCK_BLOCK);
        assert_ptr_equal(full->item[0], &memory[i * STOCK_BLOCK]);
        stock_keep(&empty, full);
    }
    stock_block *rest = stock_cut(&s);
    assert_int_equal(rest->count, 1);
    assert_ptr_equal(rest->item[0], &memory[2 * STOCK_BLOCK]);
    assert_null(stock_cut(&s));
    assert_null(stock_pop(&s, &empty));
    fill(&s, 0, 1);
    assert_ptr_equal(stock_pop(&s, &empty), &memory[0]);
}

/* Full blocks go below what is there, others on top of it. */
static void what_was_cut_goes_elsewhere(void **state) {
    (void)state;
    stock from = {NULL, NULL};
    stock to = {NULL, NULL};
    fill(&from, 0, 2 * STOCK_BLOCK + 3);
    fill(&to, ITEMS - 1, ITEMS);
    for (stock_block *b = stock_cut(&from); b != NULL; b = stock_cut(&from)) {
        stock_join(&to, &empty, b);
    }
    for (int i = 2 * STOCK_BLOCK + 3; i-- > 2 * STOCK_BLOCK;) {
        assert_ptr_equal(stock_pop(&to, &empty), &memory[i]);
    }
    assert_ptr_equal(stock_pop(&to, &empty), &memory[ITEMS - 1]);
    for (int block = 0; block < 2; block++) {
        for (int i = STOCK_BLOCK; i-- > 0;) {
            assert_ptr_equal(stock_pop(&to, &empty), &memory[block * STOCK_BLOCK + i]);
        }
    }
    assert_null(stock_pop(&to, &empty));
    assert_int_equal(empty_blocks(), BLOCKS);
}

static void into_an_empty_stock(void **state) {
    (void)state;
    stock from = {NULL, NULL};
    stock to = {NULL, NULL};
    fill(&from, 0, STOCK_BLOCK);
    stock_join(&to, &empty, stock_cut(&from));
    fill(&to, STOCK_BLOCK, STOCK_BLOCK + 1);
    for (int i = STOCK_BLOCK + 1; i-- > 0;) {
        assert_ptr_equal(stock_pop(&to, &empty), &memory[i]);
    }
    assert_null(stock_cut(&to));
    assert_int_equal(empty_blocks(), BLOCKS);
}

static void sort_every(int step) {
    stock s = {NULL, NULL};
    for (int i = 0; i < STOCK_BLOCK; i++) {
        stock_push(&s, &empty, &memory[i * step % STOCK_BLOCK]);
    }
    stock_block *block = stock_cut(&s);
    stock_sort(block);
    for (int i = 0; i < STOCK_BLOCK; i++) {
        assert_ptr_equal(block->item[i], &memory[i]);
    }
    stock_keep(&empty, block);
}

static void sorts(void **state) {
    (void)state;
    for (int step = 1; step < STOCK_BLOCK; step++) {
        if (step % 5 != 0) { /* else not every address would occur */
            sort_every(step);
        }
    }
    stock_block none = {.count = 0};
    stock_sort(&none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(last_in_first_out, with_all_blocks),
        cmocka_unit_test_setup(a_cut_takes_the_oldest, with_all_blocks),
        cmocka_unit_test_setup(what_was_cut_goes_elsewhere, with_all_blocks),
        cmocka_unit_test_setup(into_an_empty_stock, with_all_blocks),
        cmocka_unit_test_setup(sorts, with_all_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
