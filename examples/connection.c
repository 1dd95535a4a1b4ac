/* A pattern: an object with background tasks, which dies when its last user lets go.
 *
 * A connection has a heartbeat that runs for as long as somebody uses the connection. Users hold references; the
 * heartbeat holds none, so it cannot keep the connection alive. When the last user lets go, whoever that is, the
 * heartbeat is cancelled, and when it has ended, the connection is freed. Nobody waits for that, unless he wants to. */
#include <belay/belay.h>

#include <stdio.h>
#include <stdlib.h>

typedef struct connection {
    belay_owner owner;
    unsigned beats; /* the heartbeat's */
} connection;

/* Ends by being cancelled. It says goodbye in a deferred call: the connection is still there, and a little time to
 * wait. */
static belay_status say_goodbye(belay_task *self, void *arg) {
    (void)arg;
    belay_status status = belay_sleep_until(self, belay_after(BELAY_MILLISECOND));
    printf("goodbye: %s\n", belay_status_text(status));
    return status;
}

static belay_status heartbeat(belay_task *self, void *arg) {
    connection *c = arg;
    belay_status status = belay_defer(self, say_goodbye, c);
    while (status == BELAY_OK) {
        c->beats++;
        status = belay_sleep_until(self, belay_after(10 * BELAY_MILLISECOND));
    }
    return status;
}

/* The last reference and the last task are gone. */
static void connection_free(void *arg) {
    connection *c = arg;
    printf("connection freed, %s\n", c->beats != 0 ? "its heart has beaten" : "it never lived");
    free(c);
}

/* One reference, the caller's. NULL: no memory, or the executor shuts down. */
static connection *connection_new(belay_executor *executor) {
    connection *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    belay_owner_options options = {
        .scope = {.name = "connection"}, .drained = connection_free, .arg = c};
    if (belay_owner_create(executor, &options, &c->owner) != BELAY_OK) {
        free(c);
        return NULL;
    }
    belay_owner owner = c->owner;
    if (belay_spawn(NULL, belay_owner_scope(owner), heartbeat, c, NULL, NULL) != BELAY_OK) {
        (void)belay_owner_release(owner); /* frees it */
        return NULL;
    }
    return c;
}

/* A user: gets a reference of its own, uses the connection for a while, lets go. */
static void let_go(void *arg) {
    (void)belay_owner_release(((connection *)arg)->owner);
}

static belay_status use(belay_task *self, void *arg) {
    (void)arg;
    return belay_sleep_until(self, belay_after(30 * BELAY_MILLISECOND));
}

static belay_status users(belay_task *self, void *arg) {
    connection *c = connection_new(belay_task_executor(self));
    if (c == NULL) {
        return BELAY_ENOMEM;
    }
    belay_owner owner = c->owner;
    const belay_task_options options = {.name = "user", .arg_drop = let_go};
    for (int i = 0; i < 3; i++) {
        (void)belay_owner_retain(owner); /* we hold one, so this cannot fail */
        if (belay_spawn(self, belay_scope_current(self), use, c, &options, NULL) != BELAY_OK) {
            let_go(c);
        }
    }
    let_go(c); /* the users go on */
    *(belay_status *)arg = belay_owner_wait_until(self, owner, BELAY_NEVER);
    return BELAY_OK;
}

int main(void) {
    belay_executor *executor;
    belay_status status = belay_executor_create(NULL, &executor);
    if (status == BELAY_OK) {
        belay_status gone = BELAY_EINVAL;
        status = belay_executor_run(executor, users, &gone, NULL);
        printf("owner gone: %s\n", belay_status_text(gone));
        belay_executor_destroy(executor);
    }
    return status == BELAY_OK ? 0 : 1;
}
