/* Registered consumers of a channel: when the last is gone nobody will receive, so senders and joiners are told.
 *
 * A task's registration ends with the task: it is a deferred call, which removing it takes back. */
#include "flow/channel_core.h"
#include "owner/scope.h"

static belay_status check_caller(const belay_task *self, const belay_channel *ch) {
    if (port_forked()) {
        return BELAY_ECHILD;
    }
    if (ch == NULL) {
        return BELAY_EINVAL;
    }
    return self == NULL || is_current(self) ? BELAY_OK : BELAY_ECONTEXT;
}

/* Under the lock: the last has gone. */
static void abandon(belay_channel *ch) {
    ch->abandoned = true;
    ch->refuses = true;
    channel_end_waits(ch, &ch->senders, BELAY_EPIPE);
    if (ch->held != 0) {
        channel_end_waits(ch, &ch->joiners, BELAY_EPIPE);
    }
}

static belay_status remove_one(belay_channel *ch, bool bound) {
    spin_take(&ch->lock);
    bool is_there = bound || ch->consumers != ch->bound;
    ch->bound -= bound;
    if (is_there && --ch->consumers == 0) {
        abandon(ch);
    }
    spin_release(&ch->lock); /* the last access, if this one was what kept the channel */
    return is_there ? BELAY_OK : BELAY_ENOENT;
}

static belay_status leave(belay_task *self, void *arg) {
    belay_channel *channel = arg;
    if (channel->slots != NULL) {
        lease_end_of(channel, belay_task_self_handle(self));
    }
    return remove_one(channel, true);
}

belay_status belay_channel_consumer_add(belay_task *self, belay_channel *channel) {
    belay_status status = check_caller(self, channel);
    if (status == BELAY_OK && self != NULL) {
        status = belay_defer(self, leave, channel);
    }
    if (status == BELAY_OK) {
        spin_take(&channel->lock);
        channel->consumers++;
        channel->bound += self != NULL;
        channel->abandoned = false;
        channel->refuses = channel->closed != 0;
        spin_release(&channel->lock);
    }
    return status;
}

belay_status belay_channel_consumer_remove(belay_task *self, belay_channel *channel) {
    belay_status status = check_caller(self, channel);
    if (status != BELAY_OK) {
        return status;
    }
    if (self == NULL) {
        return remove_one(channel, false);
    }
    return cleanup_forget(self, leave, channel) ? leave(self, channel) : BELAY_ENOENT;
}
