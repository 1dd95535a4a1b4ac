/* What the program's exit status means. */
#ifndef BELAY_TREESUM_STATUS_H
#define BELAY_TREESUM_STATUS_H

enum {
    STATUS_OK = 0,
    STATUS_FAILURES = 1,   /* something could not be read, or the list not be written */
    STATUS_USAGE = 2,      /* wrong usage, or the run could not start */
    STATUS_TIMEOUT = 124,  /* as timeout(1) has it */
    STATUS_SIGNALED = 128, /* plus the signal: 130 for Ctrl-C */
};

#endif
