/* An intrusive, circular, doubly linked list. No locking: its owner says who may touch it. An unlinked
 * node points to itself, so that "is it in a list" is one compare and unlinking twice is harmless. */
#ifndef BELAY_BASE_LIST_H
#define BELAY_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct list {
    struct list *next;
    struct list *prev;
} list;

#define list_entry(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void list_init(list *l) {
    l->next = l;
    l->prev = l;
}

static inline bool list_empty(const list *l) {
    return l->next == l;
}

static inline void list_append(list *head, list *node) {
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void list_prepend(list *head, list *node) {
    list_append(head->next, node);
}

static inline void list_remove(list *node) {
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* Moves everything from one list to the end of another. */
static inline void list_splice(list *to, list *from) {
    if (list_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

/* Moves the nodes from the first of `from` up to, but not including, `end` to the end of another list. */
static inline void list_move_until(list *to, list *from, list *end) {
    list *first = from->next;
    if (first == end) {
        return;
    }
    list *last = end->prev;
    from->next = end;
    end->prev = from;
    first->prev = to->prev;
    to->prev->next = first;
    last->next = to;
    to->prev = last;
}

#endif
