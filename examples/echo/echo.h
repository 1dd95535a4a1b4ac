/* An echo server and its load generator, in one program. What both share. */
#ifndef ECHO_H
#define ECHO_H

#include <belay/belay.h>

/* What can be said on the command line. */
typedef struct settings {
    int port;        /* 0: the kernel chooses */
    int connections; /* load: at once */
    int messages;    /* load: on each connection */
    int hold;        /* load: 1: then stay silent until the server hangs up */
    int64_t idle;    /* serve: nanoseconds without traffic until it hangs up */
    int64_t grace;   /* serve: nanoseconds that connections have after SIGTERM */
} settings;

/* Each runs as the executor's main task; the status is the program's. */
belay_status serve(belay_task *self, void *arg);
belay_status load(belay_task *self, void *arg);

/* A line about the executor's books; true if nothing is left. */
bool report_tasks(belay_executor *executor);

#endif
