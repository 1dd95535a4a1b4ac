/* Ctrl-C and kill, taken by the main thread when it asks. */
#ifndef BELAY_TREESUM_SIGNALS_H
#define BELAY_TREESUM_SIGNALS_H

/* Blocks the signals in the calling thread and in those it creates. Call it before there are
 * others. */
void signals_block(void);

/* The number of a signal that has arrived, or 0. Does not wait. */
int signals_take(void);

#endif
