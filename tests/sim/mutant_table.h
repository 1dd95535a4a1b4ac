/* The faults that can be planted (base/mutant.h): name, protocol, file under executor/, what is done wrong, the
 * scenario that must find it, and within how many schedules. ./dev sim --mutants makes them one by one;
 * docs/verification.md shows this table.
 *
 * A fault that does harm, and that no scenario sees, means that a scenario is missing. The limits are some twenty times
 * what it takes on average, so that a change elsewhere, which makes other schedules of the same seeds, is not taken for
 * a loss. */
#ifndef BELAY_TESTS_SIM_MUTANT_TABLE_H
#define BELAY_TESTS_SIM_MUTANT_TABLE_H

/* clang-format off */
#define MUTANTS(X) \
    X(idle_no_last_look, "idle", "sched/idle.c", \
      "parks without a last look at the queues", "park_push/inject", 1000) \
    X(idle_no_heavy_fence, "idle", "sched/idle.c", \
      "no heavy fence before the last look", "park_push/push", 100000) \
    X(idle_no_successor, "idle", "sched/idle.c", \
      "the last searcher that finds work wakes no successor", "park_push/wake_both", 500) \
    X(idle_wake_not_accepted, "idle", "sched/idle.c", \
      "who was woken while leaving by itself does not wait for the wake", "park_push/push_among_three", 100000) \
    X(inject_drain_silent, "injection", "sched/inject.c", \
      "what was brought in from outside is not told to who parks meanwhile", "park_push/wake_both", 5000) \
    X(runq_blind_take, "run queue", "sched/runq.c", \
      "a taker has what it has read although another moved the head", "steal_pop/one_thief", 100) \
    X(raid_no_fence, "run queue", "sched/private.c", \
      "a raid without the heavy fence", "raid/batch_one", 100) \
    X(raid_no_quiesce, "run queue", "sched/private.c", \
      "a raid does not wait until the owner has left its section", "raid/batch_one", 100) \
    X(fork_force_no_fence, "fork-join", "owner/steal_fork.c", \
      "a thief that publishes for the owner reads its head without the heavy fence", "fork_deque/two_thieves", 500) \
    X(fork_mark_shared, "fork-join", "owner/forks.h", \
      "all thieves leave the same mark", "fork_deque/two_thieves", 100000) \
    X(fork_reclaim_blind, "fork-join", "owner/fork.c", \
      "the owner takes a public slot back whatever the swap says", "fork_deque/two_thieves", 2000) \
    X(fork_steal_blind, "fork-join", "owner/steal_fork.c", \
      "a thief has a slot whatever the swap says", "forks/force", 500) \
    X(fork_cancel_unmarked, "fork-join", "owner/steal_fork.c", \
      "a stolen fork does not inherit the cancel of its owner", "forks/canceled", 500) \
    X(wait_park_no_look, "wait", "task/wait.c", \
      "parks without a look at the cancel words", "spawn_cancel/task_sleeping", 5000) \
    X(wait_drain_canceled, "wait", "task/wait.c", \
      "a cancel ends a draining wait", "join_finish/drained", 100) \
    X(wait_no_number, "wait", "task/wait.c", \
      "a late look after parking ends whatever wait it finds", "late/wait_by_number", 5000) \
    X(wait_timer_left, "wait", "task/wait.c", \
      "a wait that was claimed leaves its timer armed", "deadline/sleeper_canceled", 200) \
    X(foreign_done_unlocked, "wait", "owner/foreign.c", \
      "a foreign operation is done before its lock is taken", "owners/complete_against_abort", 2000) \
    X(wait_abort_ignored, "wait", "owner/foreign.c", \
      "a foreign wait is left although the program says that it goes on", "owners/complete_against_abort", 10000) \
    X(cancel_no_inherit, "cancel", "owner/scope.c", \
      "a scope does not look for a cancel after it was linked", "spawn_cancel/tree", 100) \
    X(cancel_soft_blocks_hard, "cancel", "owner/cancel.c", \
      "a scope that was cancelled softly takes no hard cancel", "callbacks/late_registration", 100) \
    X(cancel_opener_asleep, "cancel", "owner/cancel.c", \
      "the opener of a cancelled scope is not woken", "spawn_cancel/opener_sleeping", 100) \
    X(cancel_task_alone, "cancel", "owner/cancel_task.c", \
      "cancelling a task leaves out the scopes that it has opened", "spawn_cancel/task_with_scope", 100) \
    X(shard_no_second_look, "shards", "owner/shard.c", \
      "whether a task is linked is not looked at again under the lock", "late/right_shard", 100) \
    X(shard_own_forgotten, "shards", "owner/shard.c", \
      "the first shard is left out once there is one per worker", "bulk/bulk_sleepers", 10000) \
    X(shard_not_unlinked, "shards", "owner/run.c", \
      "a task that ends stays linked", "bulk/bulk_wakers", 100) \
    X(shield_no_recompute, "shield", "owner/cancel_task.c", \
      "the end of a shield does not make the kept-out cancel effective", "shields/task_against_end", 100) \
    X(shield_no_inherit, "shield", "owner/shield.c", \
      "the end of a shield does not look at what its parent was told", "shields/scope_member", 100) \
    X(shield_inner_masked, "shield", "owner/shield.c", \
      "a shield that ends with the one around stays in its task's word", "shields/after_both", 200) \
    X(shield_fork_uncovered, "shield", "owner/cancel_task.c", \
      "a fork that is stolen behind a shield takes over what the shield keeps out", "fork_shields/task_behind", 1000) \
    X(cancel_forks_untold, "shield", "owner/cancel_task.c", \
      "the end of a shield does not tell the task's stolen forks", "fork_shields/task_early", 200) \
    X(shield_stops_at_marked, "shield", "owner/cancel.c", \
      "the end of a shield does not go on below a scope that was cancelled before", "shields/below_marked", 200) \
    X(shield_inner_counts, "shield", "owner/cancel.c", \
      "a shield that ends lets in nothing of the task's as long as there is one inside it", \
      "shields/below_marked", 200) \
    X(shield_no_second_look, "shield", "owner/shield.c", \
      "a shield that is opened does not look again at those around", "shields/below_marked", 100000) \
    X(fork_not_held, "cancel", "owner/cancel_forks.c", \
      "a stolen fork that ends is forgotten while a canceller is below it", "fork_shields/ends_on_the_way", 20000) \
    X(budget_no_early_knock, "budget", "owner/shield.c", \
      "cleanup of a task that was cancelled before has no end", "shields/task_budget", 200) \
    X(token_no_look, "token", "owner/token.c", \
      "a call put down for a cancel is not followed by a look at the word", "callbacks/late_registration", 100) \
    X(token_link_left, "token", "owner/close.c", \
      "a scope that closes leaves its link at the token", "callbacks/links_taken_back", 100) \
    X(link_not_held, "token", "owner/token.c", \
      "what follows a token is not held until it was told", "links/chain_against_release", 100) \
    X(link_child_not_held, "token", "owner/cancel.c", \
      "the executor of a scope below one that follows a token is not entered", "links/executor_goes", 1000) \
    X(removal_no_wait, "callbacks", "owner/cell.c", \
      "removal does not wait for a callback that runs", "callbacks/removal_by_thread", 100) \
    X(done_late_lost, "done callbacks", "owner/notice.c", \
      "a call put down for a task that is done is not made", "done/at_the_end", 100) \
    X(done_inside_itself, "done callbacks", "owner/notice.c", \
      "a call put down inside another of the same task is made inside it", "done/again_and_again", 100) \
    X(join_wakes_one, "join", "owner/join.c", \
      "a task that ends wakes one joiner", "join_finish/two_joiners", 100) \
    X(join_result_twice, "join", "owner/join.c", \
      "a result that was taken is dropped as well", "join_finish/two_joiners", 100) \
    X(start_quit_ignored, "start", "owner/start.c", \
      "a child becomes ready although its starter has given up", "start/canceled", 1000) \
    X(count_no_quiesce, "count", "owner/count.c", \
      "takes the bias off without waiting for the home worker", "count/members", 500) \
    X(count_no_fence, "count", "owner/count.c", \
      "takes the bias off without the heavy fence", "count/members", 1000) \
    X(count_no_second_look, "count", "owner/count.c", \
      "a late completer wakes who waits for later tasks", "count/second_life", 100000) \
    X(count_late_ignored, "count", "owner/count.c", \
      "who finds zero does not wait for the completer that is on its way", "count/waiter", 2000) \
    X(count_closing_ignored, "count", "owner/count.c", \
      "a closing scope accepts from outside", "count/outsider", 100) \
    X(count_owed_kept, "count", "task/fiber.c", \
      "a worker goes to look for work with ended tasks not taken off", "close_spawn/plain", 100) \
    X(close_pins_ignored, "close", "owner/count.c", \
      "a scope is freed while somebody has pinned it", "count/pinner", 200) \
    X(close_deadline_left, "close", "owner/close.c", \
      "a scope that closes leaves its deadline armed", "deadline/scope_ends", 1000) \
    X(service_not_waited, "service", "owner/service.c", \
      "the next service is cancelled before the one before has ended", "service/order", 100) \
    X(owner_not_watched, "owner", "owner/owner.c", \
      "the last reference goes, and nobody is asked to end the owner", "owners/release_wait", 100) \
    X(owner_resurrected, "owner", "owner/owner.c", \
      "an owner that nobody wants can be wanted again", "owners/release_retain", 100) \
    X(owner_not_ending, "owner", "owner/owner.c", \
      "who waits for an owner does not wait for its drained hook", "owners/release_wait", 200) \
    X(ref_generation_stays, "registry", "task/ref.h", \
      "the last reference leaves the generation as it is", "join_finish/reuse_slots", 20000) \
    X(ref_gain_blind, "registry", "task/ref.h", \
      "a reference is gained whatever the generation", "join_finish/reuse_slots", 2000) \
    X(guest_no_look, "registry", "owner/registry.c", \
      "a guest does not look at the phase after it was counted", "shutdown/spawn_destroy", 100) \
    X(pass_not_drained, "registry", "owner/registry.c", \
      "destroy does not wait for who holds a pass", "shutdown/spawn_destroy", 40000) \
    X(slot_wrap_reused, "registry", "owner/close.c", \
      "a scope's slot is used again when its generations are used up", "slots/used_up", 100) \
    X(room_not_passed, "room", "owner/room.c", \
      "a member that ends keeps its slot from who waits for room", "room/handed_over", 100) \
    X(resource_twice, "resources", "owner/cell.c", \
      "who takes a resource leaves it in the scope", "resources/had_once", 100) \
    X(defer_after_clean, "defer", "owner/defer.c", \
      "a scope takes deferred calls after its cleanup", "resources/called_once", 500) \
    X(channel_close_senders, "channel", "flow/channel.c", \
      "close leaves waiting senders waiting", "channel/senders_and_close", 100) \
    X(channel_no_refill, "channel", "flow/channel.c", \
      "the place of an item that was received stays empty though senders wait", "channel/senders_and_close", 100) \
    X(lease_no_serve, "channel", "flow/lease.c", \
      "a returned item is queued without a look at who waits", "channel/leases", 5000) \
    X(select_no_look, "select", "flow/recv.c", \
      "a clause is linked without a look at what came since it was polled", "select/two_sources", 2000) \
    X(select_winner_lost, "select", "flow/select.c", \
      "a clause that fired while others were linked is not the answer", "select/two_sources", 20000) \
    X(select_loser_linked, "select", "flow/select.c", \
      "the last of the losers stays linked", "select/two_sources", 100) \
    X(mutex_not_marked, "locks", "flow/mutex.c", \
      "a waiter does not tell the owner to look at the line", "locks/mutex_canceled", 2000) \
    X(semaphore_not_served, "locks", "flow/semaphore.c", \
      "who stops waiting does not serve those whom it held back", "held_back/semaphore_held_back", 100) \
    X(rwlock_not_served, "locks", "flow/rwlock.c", \
      "a writer that stops waiting does not let in the readers behind it", "held_back/rwlock_held_back", 100) \
    X(line_wake_spent, "locks", "flow/line.c", \
      "a wake is spent on a waiter that was cancelled", "locks/event_canceled", 1000) \
    X(event_set_lost, "locks", "flow/event.c", \
      "setting an event that nobody waits for is lost", "locks/event_canceled", 100) \
    X(condition_unlocks_first, "locks", "flow/condition.c", \
      "the mutex is unlocked before the waiter is in the line", "locks/condition_canceled", 20000) \
    X(latch_no_look, "locks", "flow/latch.c", \
      "who waits for a latch does not look again under the lock", "held_back/latch_opened", 100) \
    X(once_next_forgotten, "locks", "flow/once.c", \
      "a failed attempt is passed on to nobody", "locks/once_canceled", 2000) \
    X(wheel_no_cascade, "timers", "event/wheel.c", \
      "a slot of a higher level fires as a whole", "deadline/sleepers", 100) \
    X(wheel_slot_forgotten, "timers", "event/wheel.c", \
      "a slot counts as empty when one of its timers is taken out", "deadline/disarm_fire", 100) \
    X(fd_close_no_wake, "descriptors", "event/fd.c", \
      "closing a descriptor leaves who waits for it waiting", "fd/closed_and_used_again", 100) \
    X(fd_not_rearmed, "descriptors", "event/fd.c", \
      "who is not served by an event is forgotten", "fd/reader_and_writer", 100) \
    X(slab_batch_twice, "memory", "mem/slab.c", \
      "a batch that was taken from the pool stays there", "slots/batches", 100) \
    X(shutdown_no_seal, "shutdown", "shutdown.c", \
      "an executor that shuts down still accepts", "shutdown/shutdown_twice", 100) \
    X(snapshot_no_second_look, "observe", "observe/snapshot.c", \
      "a record is told although it changed hands while it was read", "snapshots/told_apart", 20000)
/* clang-format on */

#endif
