/* See mem/stock.h. */
#include "mem/stock.h"

#include "base/check.h"

void stock_keep(stock_block **empty, stock_block *block) {
    block->below = *empty;
    *empty = block;
}

static void add_block(stock *s, stock_block **empty) {
    stock_block *block = *empty;
    CHECK(block != NULL); /* more addresses than the blocks are for: one came in twice */
    *empty = block->below;
    block->count = 0;
    block->above = NULL;
    block->below = s->top;
    if (s->top != NULL) {
        s->top->above = block;
    } else {
        s->bottom = block;
    }
    s->top = block;
}

static void remove_top(stock *s) {
    s->top = s->top->below;
    if (s->top != NULL) {
        s->top->above = NULL;
    } else {
        s->bottom = NULL;
    }
}

void stock_push(stock *s, stock_block **empty, char *item) {
    if (s->top == NULL || s->top->count == STOCK_BLOCK) {
        add_block(s, empty);
    }
    s->top->item[s->top->count++] = item;
}

char *stock_pop(stock *s, stock_block **empty) {
    stock_block *top = s->top;
    if (top == NULL) {
        return NULL;
    }
    char *item = top->item[--top->count];
    if (top->count == 0) {
        remove_top(s);
        stock_keep(empty, top);
    }
    return item;
}

stock_block *stock_cut(stock *s) {
    stock_block *block = s->bottom;
    if (block == NULL) {
        return NULL;
    }
    s->bottom = block->above;
    if (s->bottom != NULL) {
        s->bottom->below = NULL;
    } else {
        s->top = NULL;
    }
    return block;
}

static void add_bottom(stock *s, stock_block *block) {
    block->below = NULL;
    block->above = s->bottom;
    if (s->bottom != NULL) {
        s->bottom->below = block;
    } else {
        s->top = block;
    }
    s->bottom = block;
}

void stock_join(stock *s, stock_block **empty, stock_block *block) {
    if (block->count == STOCK_BLOCK) {
        add_bottom(s, block);
        return;
    }
    for (uint64_t i = 0; i < block->count; i++) {
        stock_push(s, empty, block->item[i]);
    }
    stock_keep(empty, block);
}

/* By insertion: blocks are small, and what was handed out in order often comes back in order. */
void stock_sort(stock_block *block) {
    for (uint64_t i = 1; i < block->count; i++) {
        char *item = block->item[i];
        uint64_t at = i;
        for (; at > 0 && (uintptr_t)block->item[at - 1] > (uintptr_t)item; at--) {
            block->item[at] = block->item[at - 1];
        }
        block->item[at] = item;
    }
}
