/* All of belay's public headers. */
#ifndef BELAY_BELAY_H
#define BELAY_BELAY_H

#include <belay/blocking.h>
#include <belay/cancel.h>
#include <belay/channel.h>
#include <belay/cleanup.h>
#include <belay/condition.h>
#include <belay/config.h>
#include <belay/event.h>
#include <belay/done.h>
#include <belay/executor.h>
#include <belay/failure.h>
#include <belay/fault.h>
#include <belay/foreign.h>
#include <belay/fork.h>
#include <belay/handle.h>
#include <belay/io.h>
#include <belay/join.h>
#include <belay/latch.h>
#include <belay/mutex.h>
#include <belay/observe.h>
#include <belay/once.h>
#include <belay/owner.h>
#include <belay/rwlock.h>
#include <belay/race.h>
#include <belay/scope.h>
#include <belay/select.h>
#include <belay/semaphore.h>
#include <belay/shield.h>
#include <belay/start.h>
#include <belay/status.h>
#include <belay/task.h>
#include <belay/ticker.h>
#include <belay/time.h>
#include <belay/value.h>

#endif
