/* A stock of addresses: a list that is pushed and popped at its top, and cut at its bottom a whole
 * block at a time. So the top is what was used last, and a cut takes what has been idle longest.
 *
 * The blocks are the caller's: a push may take one from `empty`, a pop may return one to it. All
 * blocks but the top one are full, and no block of a stock is empty; so n addresses in k stocks
 * never need more than n / STOCK_BLOCK + k blocks. A block that was cut counts as a stock if it is
 * not full.
 *
 * No function here may run beside another on the same stock or the same `empty`: the caller has a
 * lock. */
#ifndef BELAY_MEM_STOCK_H
#define BELAY_MEM_STOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STOCK_BLOCK = 125 };

typedef struct stock_block {
    struct stock_block *above;
    struct stock_block *below;
    uint64_t count;
    char *item[STOCK_BLOCK];
} stock_block;

_Static_assert(sizeof(stock_block) == 1024, "four to a page");

/* All zero: empty. */
typedef struct stock {
    stock_block *top;
    stock_block *bottom;
} stock;

void stock_push(stock *s, stock_block **empty, char *item);
/* NULL: the stock is empty. */
char *stock_pop(stock *s, stock_block **empty);
/* The bottom block, now the caller's; NULL: the stock is empty. */
stock_block *stock_cut(stock *s);
/* The opposite: what a cut returned goes into a stock. A full block goes to the bottom as it is. */
void stock_join(stock *s, stock_block **empty, stock_block *block);

/* Adds a block that holds nothing to the empty ones. */
void stock_keep(stock_block **empty, stock_block *block);

/* Puts the block's addresses in rising order. */
void stock_sort(stock_block *block);

#endif
