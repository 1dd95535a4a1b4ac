/* Conditions; see flow/condition.c. */
#ifndef BELAY_FLOW_CONDITION_H
#define BELAY_FLOW_CONDITION_H

/* In a forked child: frees the locks of the table, whoever held them. */
void condition_lose_all(void);

#endif
