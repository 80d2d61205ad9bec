/* SPDX-License-Identifier: MPL-2.0 */
/* Api: what answers a request that was let in, one function a row of the
 * table in routes.c. Each makes the request ready, waiting, or a stream. */
#ifndef MIG_SERVER_API_RESOURCES_H
#define MIG_SERVER_API_RESOURCES_H

struct request;

void res_nonce(struct request *q);
void res_session_new(struct request *q);
void res_session_end(struct request *q);
void res_sessions(struct request *q);
void res_session_revoke(struct request *q);
void res_sessions_revoke(struct request *q);
void res_status(struct request *q);
void res_health(struct request *q);
void res_metrics(struct request *q);
void res_agents(struct request *q);
void res_agent(struct request *q);
void res_agent_revoke(struct request *q);
void res_targets(struct request *q);
void res_action_new(struct request *q);
void res_action_cancel(struct request *q);
void res_action_cosign(struct request *q);
void res_actions(struct request *q);
void res_action(struct request *q);
void res_action_agents(struct request *q);
void res_results(struct request *q);
void res_shares(struct request *q);
void res_share_new(struct request *q);
void res_shares_remove(struct request *q);
void res_events(struct request *q);
void res_people(struct request *q);
void res_person_new(struct request *q);
void res_person_remove(struct request *q);
void res_person_role(struct request *q);
void res_keys(struct request *q);
void res_key_new(struct request *q);
void res_key_revoke(struct request *q);
void res_tokens(struct request *q);
void res_token_new(struct request *q);
void res_policies(struct request *q);
void res_token_revoke(struct request *q);
void res_audit(struct request *q);
void res_policy(struct request *q);
void res_policy_signed(struct request *q);
void res_policy_new(struct request *q);
void res_enrol(struct request *q);

#endif
