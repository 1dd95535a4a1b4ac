/* What a memory fault means. In a signal handler: no lock, no allocation, no stdio. All that is read is the calling
 * worker's own, and the strings of the running task, which are constants of the program. */
#include <belay/fault.h>

#include "owner/scope.h"

typedef struct text {
    char *buffer;
    size_t size;
    size_t length;
} text;

static void add(text *t, const char *part) {
    for (; *part != '\0'; part++) {
        if (t->length + 1 < t->size) {
            t->buffer[t->length++] = *part;
        }
    }
}

/* The guard is the page below the stack. A stack with a canary in its place begins in the middle of a page. */
static bool in_guard(const fiber *f, const char *address) {
    const char *low = f->memory.low;
    return low != NULL && (uintptr_t)low % port_page_size() == 0 && address < low &&
           address >= low - port_page_size();
}

size_t belay_fault_text(const void *address, char *buffer, size_t size) {
    if (buffer == NULL || size == 0) {
        return 0;
    }
    text t = {buffer, size, 0};
    const worker *w = worker_current();
    const belay_task *task =
        w != NULL ? load_relaxed(&w->task) : NULL; /* relaxed, all: own words */
    const fiber *f = w != NULL ? load_relaxed(&w->fiber) : NULL;
    if (task != NULL && f != NULL) {
        const char *name = load_relaxed(&task->name);
        const char *site = load_relaxed(&task->site);
        add(&t, "belay: task ");
        add(&t, name != NULL ? name : "-");
        add(&t, " (");
        add(&t, site != NULL ? site : "-");
        add(&t,
            in_guard(f, address) ? ") has overflowed its stack" : ") has caused a memory fault");
    }
    buffer[t.length] = '\0';
    return t.length;
}
