/* docs/tuning.md says what the options table says.
 *
 *     options_tuning_doc_test                  compares the two
 *     options_tuning_doc_test --write PATH     writes the page */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

#define PAGE_MAX 65536

static const char *program;
static char expected[PAGE_MAX];
static char found[PAGE_MAX];

static void append_line(const char *text, void *arg) {
    size_t *length = arg;
    size_t added = strlen(text) + 1;
    assert_true(*length + added < PAGE_MAX);
    memcpy(expected + *length, text, added);
    *length += added;
    expected[*length - 1] = '\n';
}

static void write_line(const char *text, void *arg) {
    fprintf(arg, "%s\n", text);
}

static void test_page_is_current(void **state) {
    (void)state;
    size_t length = 0;
    options_document(append_line, &length);
    FILE *page = fopen(TUNING_PAGE, "r"); /* its place: tests/CMakeLists.txt */
    if (page != NULL) {
        found[fread(found, 1, sizeof found - 1, page)] = '\0';
        fclose(page);
    }
    if (strcmp(found, expected) != 0) {
        fail_msg("docs/tuning.md is missing or out of date; in the source directory run\n"
                 "    %s --write docs/tuning.md",
                 program);
    }
}

static int page_write(const char *path) {
    FILE *page = fopen(path, "w");
    if (page == NULL) {
        perror(path);
        return EXIT_FAILURE;
    }
    options_document(write_line, page);
    if (fclose(page) != 0) {
        perror(path);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_page_is_current)};
    program = argv[0];
    if (argc == 3 && strcmp(argv[1], "--write") == 0) {
        return page_write(argv[2]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
