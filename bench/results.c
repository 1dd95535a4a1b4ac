/* Reading, printing and writing figures. */
#include "results.h"

#include <stdio.h>
#include <string.h>

enum { WORKERS_SHOWN = 8 };

bool results_add_line(results *all, const char *line) {
    result *new = &all->item[all->count];
    if (all->count == RESULTS_MAX) {
        return false;
    }
    int fields = sscanf(line,
                        "{\"workload\": \"%47[^\"]\", \"subject\": \"%31[^\"]\", \"workers\": %d, "
                        "\"unit\": \"%23[^\"]\", \"median\": %lf, \"min\": %lf, \"max\": %lf, "
                        "\"reps\": %d}",
                        new->workload, new->subject, &new->workers, new->unit, &new->median,
                        &new->min, &new->max, &new->reps);
    all->count += fields == 8;
    return fields == 8;
}

/* The figure of a workload and subject with so many workers, from index `first` on; NULL if none. */
static const result *find(const results *all, size_t first, const result *like, const char *subject,
                          int workers) {
    for (size_t i = first; i < all->count; i++) {
        const result *item = &all->item[i];
        if (item->workers == workers && strcmp(item->workload, like->workload) == 0 &&
            strcmp(item->subject, subject) == 0) {
            return item;
        }
    }
    return NULL;
}

/* Is item i the first of its workload, or, with a subject, of its workload and subject? */
static bool is_first(const results *all, size_t first, size_t i, bool subject) {
    for (size_t j = first; j < i; j++) {
        if (strcmp(all->item[j].workload, all->item[i].workload) == 0 &&
            (!subject || strcmp(all->item[j].subject, all->item[i].subject) == 0)) {
            return false;
        }
    }
    return true;
}

/* The different numbers of workers, in the order in which they came. */
static int worker_columns(const results *all, size_t first, int columns[WORKERS_SHOWN]) {
    int count = 0;
    for (size_t i = first; i < all->count; i++) {
        int known = 0;
        while (known < count && columns[known] != all->item[i].workers) {
            known++;
        }
        if (known == count && count < WORKERS_SHOWN) {
            columns[count++] = all->item[i].workers;
        }
    }
    return count;
}

/* Enough digits to compare, not more. */
static void print_number(double value, int width) {
    int decimals = value >= 1000 ? 0 : value >= 100 ? 1 : value >= 1 ? 2 : 3;
    printf("%*.*f", width, decimals, value);
}

static void print_cell(const result *figure, const result *belay) {
    if (!figure) {
        printf("  %36s", "");
        return;
    }
    printf("  ");
    print_number(figure->median, 9);
    printf(" (");
    print_number(figure->min, 6);
    printf(" ..");
    print_number(figure->max, 7);
    printf(")");
    if (belay && belay != figure && belay->median > 0) {
        printf(" %6.2fx", figure->median / belay->median);
    } else {
        printf(" %7s", "");
    }
}

static void print_head(const result *like, const int columns[], int count) {
    printf("\n%s, %s\n  %-14s", like->workload, like->unit, "");
    for (int i = 0; i < count; i++) {
        printf("  %8d worker%-21s", columns[i], columns[i] == 1 ? "" : "s");
    }
    printf("\n");
}

static void print_row(const results *all, size_t first, const result *like, const int columns[],
                      int count) {
    printf("  %-14s", like->subject);
    for (int i = 0; i < count; i++) {
        print_cell(find(all, first, like, like->subject, columns[i]),
                   find(all, first, like, "belay", columns[i]));
    }
    printf("\n");
}

static void print_workload(const results *all, size_t first, size_t head, const int columns[],
                           int count) {
    print_head(&all->item[head], columns, count);
    for (size_t i = head; i < all->count; i++) {
        if (strcmp(all->item[i].workload, all->item[head].workload) == 0 &&
            is_first(all, first, i, true)) {
            print_row(all, first, &all->item[i], columns, count);
        }
    }
}

void results_print(const results *all, size_t first) {
    int columns[WORKERS_SHOWN];
    int count = worker_columns(all, first, columns);
    for (size_t i = first; i < all->count; i++) {
        if (is_first(all, first, i, false)) {
            print_workload(all, first, i, columns, count);
        }
    }
    fflush(stdout);
}

bool results_write(const results *all, const char *path) {
    FILE *file = fopen(path, "w");
    if (!file) {
        return false;
    }
    fprintf(file, "[");
    for (size_t i = 0; i < all->count; i++) {
        const result *item = &all->item[i];
        fprintf(file,
                "%s\n  {\"workload\": \"%s\", \"subject\": \"%s\", \"workers\": %d, "
                "\"unit\": \"%s\", \"median\": %.6g, \"min\": %.6g, \"max\": %.6g, \"reps\": %d}",
                i ? "," : "", item->workload, item->subject, item->workers, item->unit,
                item->median, item->min, item->max, item->reps);
    }
    fprintf(file, "\n]\n");
    bool written = !ferror(file);
    return fclose(file) == 0 && written;
}
