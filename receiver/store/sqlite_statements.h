/*
 * sqlite_statements - every statement that the SQLite backend prepares: id, text
 *
 * The states stand in the texts as literals, never as parameters: only so does SQLite see that a
 * partial index applies. tests/store/sqlite_plan_test.c looks at the plan of each.
 */
#ifndef TP_SQLITE_STATEMENTS_H
#define TP_SQLITE_STATEMENTS_H

#define SQL_ROW       "id, kind, background, due_at, rerun_at, received_at, tries, unsettled"
#define SQL_KEY_OF    "claim_key = (SELECT id FROM claim_key WHERE org = ?1 AND key = ?2)"
#define SQL_READY_OF  SQL_KEY_OF " AND state = 0"
#define SQL_LEASED_OF SQL_KEY_OF " AND state = 1"
/* A JSON array of ids: one statement for many rows costs less than one for each. No index but that
 * of the ids may be taken for it, hence + before the other columns. */
#define SQL_LISTED   "id IN (SELECT value FROM json_each(?1))"
#define SQL_DOCUMENT "id, at, org, peer, reason, message, size, kept"
#define SQL_MESSAGE                                                                                \
    "SELECT id, kind, state, background, tries, org, key, notification_id, record_id, "            \
    "subject_id, object, code, message, received_at, due_at, settled_at, replayed_by "             \
    "FROM notification "
#define SQL_LEDGER_ENTRY                                                                           \
    "SELECT id, at, org, campaign_id, member_id, touchpoint_id, action, cause, reason, "           \
    "before_json, after_json FROM ledger "
#define SQL_JOB                                                                                    \
    "id, kind, state, org, campaign_id, reason, total, done, changed, skipped, failed, cursor, "   \
    "message, at, started_at, ended_at, undo_of, undone_by, would_delete, existing"
#define SQL_JOB_HELD "id, org, campaign_id, would_delete, existing, at, state = 6"
#define SQL_CLAIM                                                                                  \
    "SELECT " SQL_ROW ", notification_id, record_id, subject_id, "                                 \
    "code IS '" STORE_CODE_BUDGET "', replayed_by FROM notification "                              \
    "WHERE " SQL_READY_OF

#define SQL_STATEMENTS(X)                                                                          \
    X(SQL_BEGIN, "BEGIN IMMEDIATE")                                                                \
    X(SQL_LOOK, "BEGIN")                                                                           \
    X(SQL_COMMIT, "COMMIT")                                                                        \
    X(SQL_ROLLBACK, "ROLLBACK")                                                                    \
    X(SQL_SAVEPOINT, "SAVEPOINT one")                                                              \
    X(SQL_RELEASE, "RELEASE one")                                                                  \
    X(SQL_ROLLBACK_TO, "ROLLBACK TO one")                                                          \
    X(SQL_META_GET, "SELECT value FROM meta WHERE name = ?1")                                      \
    X(SQL_META_SET, "UPDATE meta SET value = ?2 WHERE name = ?1")                                  \
    X(SQL_META_ADD, "UPDATE meta SET value = value + 1 WHERE name = ?1")                           \
    /* entering */                                                                                 \
    X(SQL_KEY_GET, "SELECT id FROM claim_key WHERE org = ?1 AND key = ?2")                         \
    X(SQL_KEY_ADD, "INSERT INTO claim_key (org, key) VALUES (?1, ?2) RETURNING id")                \
    X(SQL_INSERT,                                                                                  \
      "INSERT INTO notification (org, notification_id, record_id, subject_id, key, kind, object, " \
      "state, background, seq, due_at, received_at, settled_at, code, message, claim_key) VALUES " \
      "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) "                   \
      "ON CONFLICT (org, notification_id, record_id) DO NOTHING")                                  \
    /* OR FAIL: what had entered is undone by the caller, so no statement journal is kept */       \
    X(SQL_INSERT_ALL,                                                                              \
      "INSERT OR FAIL INTO notification (org, notification_id, record_id, subject_id, key, kind, " \
      "object, "                                                                                   \
      "state, background, seq, due_at, received_at, settled_at, claim_key) "                       \
      "SELECT org, notification_id, record_id, subject_id, key, kind, object, state, 0, seq, "     \
      "received, received, iif(ended, received, NULL), claim_key FROM incoming WHERE true "        \
      "ON CONFLICT (org, notification_id, record_id) DO NOTHING")                                  \
    X(SQL_FIND, "SELECT " SQL_ROW ", state, key, seq FROM notification "                           \
                "WHERE org = ?1 AND notification_id = ?2 AND record_id = ?3")                      \
    X(SQL_STAY, "UPDATE notification SET seq = coalesce(?2, seq), due_at = ?3, background = ?4, "  \
                "received_at = ?5, "                                                               \
                "code = coalesce(?6, nullif(code, '" STORE_CODE_BUDGET "')), "                     \
                "message = coalesce(?7, message) "                                                 \
                "WHERE id = ?1")                                                                   \
    X(SQL_RERUN, "UPDATE notification SET rerun_at = ?2, background = ?3 WHERE id = ?1")           \
    X(SQL_AGAIN,                                                                                   \
      "UPDATE notification SET subject_id = ?2, key = ?3, kind = ?4, object = ?5, state = 0, "     \
      "background = ?6, seq = ?7, due_at = ?8, tries = 0, unsettled = 0, rerun_at = 0, "           \
      "received_at = ?9, settled_at = NULL, code = ?10, message = ?11, claim_key = ?12, "          \
      "replayed_by = 0 WHERE id = ?1")                                                             \
    /* lanes and tallies */                                                                        \
    X(SQL_LANE_LOWER, "INSERT INTO lane (org, key, background, due_at) VALUES (?1, ?2, ?3, ?4) "   \
                      "ON CONFLICT (org, key, background) DO UPDATE SET due_at = excluded.due_at " \
                      "WHERE excluded.due_at < lane.due_at")                                       \
    X(SQL_LANE_SET, "INSERT INTO lane (org, key, background, due_at) VALUES (?1, ?2, ?3, ?4) "     \
                    "ON CONFLICT (org, key, background) DO UPDATE SET due_at = excluded.due_at "   \
                    "WHERE excluded.due_at <> lane.due_at")                                        \
    X(SQL_LANE_DROP, "DELETE FROM lane WHERE org = ?1 AND key = ?2 AND background = ?3")           \
    X(SQL_LANE_FIRST_DUE,                                                                          \
      "SELECT due_at FROM notification WHERE " SQL_READY_OF " AND background = ?3 "                \
      "ORDER BY due_at LIMIT 1")                                                                   \
    X(SQL_LANE_ORG, "SELECT org FROM lane WHERE org > ?1 ORDER BY org LIMIT 1")                    \
    X(SQL_LANE_FRONT,                                                                              \
      "SELECT key, due_at FROM lane WHERE org = ?1 AND background = ?2 ORDER BY due_at")           \
    X(SQL_LANE_FAR, "SELECT key FROM lane WHERE org = ?1 AND background = ?2 AND due_at > ?3 "     \
                    "ORDER BY due_at LIMIT ?4")                                                    \
    X(SQL_TALLY,                                                                                   \
      "INSERT INTO tally (org, ready, leased, done, failed) VALUES (?1, ?2, ?3, ?4, ?5) "          \
      "ON CONFLICT (org) DO UPDATE SET ready = ready + excluded.ready, "                           \
      "leased = leased + excluded.leased, done = done + excluded.done, "                           \
      "failed = failed + excluded.failed")                                                         \
    /* claiming */                                                                                 \
    X(SQL_CLAIM_LIVE,                                                                              \
      SQL_CLAIM " AND background = 0 AND due_at <= ?3 ORDER BY due_at, id LIMIT ?4")               \
    X(SQL_CLAIM_BACKGROUND,                                                                        \
      SQL_CLAIM " AND background = 1 AND due_at <= ?3 ORDER BY due_at, id LIMIT ?4")               \
    X(SQL_TAKE, "UPDATE notification SET state = 1, tries = tries + 1, "                           \
                "unsettled = unsettled + ?2 WHERE " SQL_LISTED)                                    \
    /* leases */                                                                                   \
    X(SQL_LEASE_PUT, "INSERT INTO lease (org, key, fence, in_flight) VALUES (?1, ?2, ?3, 0)")      \
    X(SQL_LEASE_MARK, "UPDATE lease SET in_flight = ?3 WHERE org = ?1 AND key = ?2")               \
    X(SQL_LEASE_DROP, "DELETE FROM lease WHERE org = ?1 AND key = ?2")                             \
    X(SQL_LEASE_ALL, "SELECT org, key, fence, in_flight FROM lease ORDER BY fence")                \
    X(SQL_LEASED_ROWS, "SELECT " SQL_ROW " FROM notification WHERE " SQL_LEASED_OF " LIMIT ?3")    \
    X(SQL_PROGRESS,                                                                                \
      "UPDATE notification SET unsettled = 0 WHERE " SQL_LEASED_OF " AND unsettled > 0")           \
    X(SQL_LEDGER,                                                                                  \
      "INSERT INTO ledger (org, campaign_id, member_id, action, touchpoint_id, before_json, "      \
      "after_json, cause, reason, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")           \
    /* settling */                                                                                 \
    X(SQL_OUTCOME, "SELECT " SQL_ROW " FROM notification WHERE org = ?1 AND key = ?2 AND id = ?3 " \
                   "AND state = 1")                                                                \
    /* not deletion, campaign_gone and job: only who claims it knows what there is to do */        \
    X(SQL_WHOLE_ROWS,                                                                              \
      "SELECT " SQL_ROW " FROM notification WHERE " SQL_READY_OF " AND background = ?3 "           \
      "AND due_at <= ?4 AND seq <= ?5 AND kind NOT IN (2, 3, 12) LIMIT ?6")                        \
    X(SQL_READY,                                                                                   \
      "UPDATE notification SET state = 0, seq = ?2, due_at = ?3, tries = ?4, unsettled = ?5, "     \
      "rerun_at = 0, code = coalesce(?6, code), message = coalesce(?7, message) WHERE id = ?1")    \
    X(SQL_APPLY, "UPDATE notification SET state = 2, settled_at = ?5, unsettled = 0, code = ?6, "  \
                 "message = ?7 WHERE " SQL_LISTED " AND +org = ?2 AND +key = ?3 AND +state = ?4 "  \
                 "AND rerun_at = 0 RETURNING received_at")                                         \
    X(SQL_END,                                                                                     \
      "UPDATE notification SET state = ?2, settled_at = ?3, rerun_at = 0, unsettled = 0, "         \
      "code = ?4, message = ?5 WHERE id = ?1")                                                     \
    X(SQL_ATTEMPT_AGAIN, "UPDATE attempt SET times = times + 1, at = ?5 WHERE message = ?1 "       \
                         "AND n = (SELECT max(n) FROM attempt WHERE message = ?1) "                \
                         "AND verdict = ?2 AND code IS ?3 AND text IS ?4")                         \
    X(SQL_ATTEMPT_PUT,                                                                             \
      "INSERT INTO attempt (message, n, verdict, code, text, times, first_at, at) "                \
      "VALUES (?1, 1 + coalesce((SELECT max(n) FROM attempt WHERE message = ?1), 0), ?2, ?3, ?4, " \
      "1, ?5, ?5)")                                                                                \
    X(SQL_ATTEMPT_TRIM, "DELETE FROM attempt WHERE message = ?1 "                                  \
                        "AND n <= (SELECT max(n) FROM attempt WHERE message = ?1) - ?2")           \
    X(SQL_ATTEMPT_REMOVE, "DELETE FROM attempt WHERE message = ?1")                                \
    X(SQL_PASS_PUT,                                                                                \
      "INSERT INTO pass (org, campaign_id, fingerprint, at) VALUES (?1, ?2, ?3, ?4) "              \
      "ON CONFLICT (org, campaign_id) DO UPDATE SET fingerprint = excluded.fingerprint, "          \
      "at = excluded.at")                                                                          \
    /* holds and cursors */                                                                        \
    X(SQL_HOLD_PUT,                                                                                \
      "INSERT INTO job (kind, state, org, campaign_id, would_delete, existing, at) "               \
      "VALUES (0, 5, ?1, ?2, ?3, ?4, ?5) "                                                         \
      "ON CONFLICT (org, campaign_id) WHERE kind = 0 DO UPDATE SET "                               \
      "state = CASE WHEN excluded.would_delete <= would_delete THEN state ELSE 5 END, "            \
      "would_delete = excluded.would_delete, existing = excluded.existing")                        \
    X(SQL_HOLD_END, "DELETE FROM job WHERE kind = 0 AND org = ?1 AND campaign_id = ?2")            \
    X(SQL_HOLD_APPROVE, "UPDATE job SET state = 6 WHERE kind = 0 AND id = ?1 "                     \
                        "RETURNING org, campaign_id")                                              \
    X(SQL_BULK_PUT,                                                                                \
      "INSERT INTO bulk_job (org, key, job, kind, rows, at) VALUES (?1, ?2, ?3, ?4, "              \
      "?5, ?6) ON CONFLICT DO NOTHING")                                                            \
    X(SQL_BULK_END, "DELETE FROM bulk_job WHERE org = ?1 AND key = ?2 AND job = ?3")               \
    X(SQL_CURSOR_SET, "INSERT INTO org_cursor (org, name, value) VALUES (?1, ?2, ?3) "             \
                      "ON CONFLICT (org, name) DO UPDATE SET value = excluded.value")              \
    /* reading */                                                                                  \
    X(SQL_PASS_GET, "SELECT fingerprint FROM pass WHERE org = ?1 AND campaign_id = ?2")            \
    X(SQL_HOLD_GET, "SELECT " SQL_JOB_HELD " FROM job "                                            \
                    "WHERE kind = 0 AND org = ?1 AND campaign_id = ?2")                            \
    X(SQL_HOLD_LIST,                                                                               \
      "SELECT " SQL_JOB_HELD " FROM job INDEXED BY job_held WHERE kind = 0 ORDER BY id LIMIT ?1")  \
    X(SQL_BULK_LIST, "SELECT job, kind, rows FROM bulk_job WHERE org = ?1 AND key = ?2 ORDER BY "  \
                     "at, job LIMIT ?3")                                                           \
    X(SQL_CURSOR_GET, "SELECT value FROM org_cursor WHERE org = ?1 AND name = ?2")                 \
    X(SQL_TALLIES,                                                                                 \
      "SELECT org, ready, leased, done, failed, (SELECT value FROM meta WHERE name = 'logged') "   \
      "FROM tally ORDER BY org LIMIT ?1")                                                          \
    /* the loops' order is the indexes': sorting would read all that is due */                     \
    X(SQL_OLDEST_DUE,                                                                              \
      "SELECT n.received_at FROM lane l CROSS JOIN claim_key k ON k.org = l.org AND k.key = "      \
      "l.key CROSS JOIN notification n ON n.claim_key = k.id "                                     \
      "AND n.state = 0 AND n.background = l.background AND n.due_at <= ?3 "                        \
      "WHERE l.org = ?1 AND l.background = ?2 AND l.due_at <= ?3 ORDER BY l.due_at LIMIT 1")       \
    X(SQL_OLDEST_LEASED,                                                                           \
      "SELECT min(n.received_at) FROM lease l CROSS JOIN claim_key k ON k.org = l.org "            \
      "AND k.key = l.key CROSS JOIN notification n ON n.claim_key = k.id AND n.state = 1 "         \
      "WHERE l.org = ?1")                                                                          \
    /* jobs */                                                                                     \
    X(SQL_JOB_CREATE,                                                                              \
      "INSERT INTO job (kind, state, org, campaign_id, params, reason, undo_of, at) "              \
      "VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6, ?7)")                                                    \
    X(SQL_JOB_UNDONE_BY, "UPDATE job SET undone_by = ?2 WHERE id = ?1")                            \
    X(SQL_JOB_CAUSES, "UPDATE notification SET replayed_by = ?4 "                                  \
                      "WHERE org = ?1 AND notification_id = ?2 AND record_id = ?3")                \
    X(SQL_JOB_CANCEL,                                                                              \
      "UPDATE job SET state = 3, ended_at = ?2 WHERE id = ?1 AND state < 2 RETURNING id")          \
    X(SQL_JOB_STEP, "UPDATE job SET state = CASE WHEN state < 2 THEN ?2 ELSE state END, "          \
                    "total = CASE ?3 WHEN -1 THEN total ELSE ?3 END, done = done + ?4, "           \
                    "changed = changed + ?5, skipped = skipped + ?6, failed = failed + ?7, "       \
                    "cursor = coalesce(?8, cursor), "                                              \
                    "message = CASE WHEN state < 2 THEN coalesce(?9, message) ELSE message END, "  \
                    "started_at = CASE started_at WHEN 0 THEN ?10 ELSE started_at END, "           \
                    "ended_at = CASE WHEN state < 2 AND ?2 >= 2 THEN ?10 ELSE ended_at END "       \
                    "WHERE id = ?1 AND kind > 0 RETURNING state, org, campaign_id")                \
    X(SQL_JOB_LOST,                                                                                \
      "UPDATE job SET state = 4, message = ?2, ended_at = ?3 "                                     \
      "WHERE id = (SELECT CAST(record_id AS INTEGER) FROM notification WHERE id = ?1) "            \
      "AND state < 2 AND kind > 0")                                                                \
    X(SQL_JOB_GET, "SELECT " SQL_JOB ", params FROM job WHERE id = ?1")                            \
    X(SQL_JOB_WALK,                                                                                \
      "SELECT " SQL_JOB " FROM job WHERE id < ?1 AND (?2 < 0 OR kind = ?2) "                       \
      "AND (?3 < 0 OR state = ?3) AND (?4 IS NULL OR org = ?4) ORDER BY id DESC LIMIT ?5")         \
    X(SQL_JOB_WALK_OPEN,                                                                           \
      "SELECT " SQL_JOB " FROM job WHERE +id < ?1 AND (?2 < 0 OR kind = ?2) AND state < 2 "        \
      "AND (?3 IS NULL OR org = ?3) ORDER BY +id DESC LIMIT ?4")                                   \
    X(SQL_JOB_OLD,                                                                                 \
      "SELECT id FROM job WHERE ended_at > 0 AND ended_at < ?1 ORDER BY ended_at LIMIT 1")         \
    X(SQL_JOB_REMOVE, "DELETE FROM job WHERE id = ?1")                                             \
    X(SQL_ITEM_PUT,                                                                                \
      "INSERT INTO job_item (job, record_id, before, after, state, code, message) "                \
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (job, record_id) DO UPDATE SET "            \
      "after = excluded.after, state = excluded.state, code = excluded.code, "                     \
      "message = excluded.message")                                                                \
    X(SQL_ITEM_WALK,                                                                               \
      "SELECT record_id, before, after, state, code, message FROM job_item "                       \
      "WHERE job = ?1 AND record_id > ?2 AND (?3 < 0 OR state = ?3) ORDER BY record_id LIMIT ?4")  \
    X(SQL_ITEM_TRIM, "DELETE FROM job_item WHERE job = ?1 AND record_id IN "                       \
                     "(SELECT record_id FROM job_item WHERE job = ?1 LIMIT ?2)")                   \
    /* messages */                                                                                 \
    X(SQL_MESSAGES, SQL_MESSAGE "WHERE id < ?1 ORDER BY id DESC")                                  \
    X(SQL_MESSAGES_ENDED, SQL_MESSAGE "WHERE state = ?1 AND state >= 2 AND settled_at <= ?2 "      \
                                      "AND (settled_at < ?2 OR id < ?3) "                          \
                                      "ORDER BY settled_at DESC, id DESC")                         \
    X(SQL_MESSAGE_GET, SQL_MESSAGE "WHERE id = ?1")                                                \
    X(SQL_ATTEMPTS, "SELECT first_at, at, times, verdict, code, text FROM attempt "                \
                    "WHERE message = ?1 ORDER BY n DESC LIMIT ?2")                                 \
    X(SQL_REPLAY, "UPDATE notification SET state = 0, seq = ?2, due_at = ?3, tries = 0, "          \
                  "unsettled = 0, rerun_at = 0, received_at = ?3, settled_at = NULL, "             \
                  "code = NULL, message = NULL, replayed_by = ?4 WHERE id = ?1")                   \
    X(SQL_REPLAY_LEASED, "UPDATE notification SET rerun_at = ?2, replayed_by = ?3 WHERE id = ?1")  \
    X(SQL_FAILURES, "SELECT org, coalesce(code, ''), count(*) FROM notification "                  \
                    "WHERE state = 3 GROUP BY org, code ORDER BY 3 DESC, 1, 2 LIMIT ?1")           \
    /* ledger */                                                                                   \
    X(SQL_LEDGER_OF_MEMBER, SQL_LEDGER_ENTRY "WHERE id < ?1 AND member_id = ?2 ORDER BY id DESC")  \
    X(SQL_LEDGER_OF_CAMPAIGN,                                                                      \
      SQL_LEDGER_ENTRY "WHERE id < ?1 AND campaign_id = ?2 ORDER BY id DESC")                      \
    X(SQL_LEDGER_WALK, SQL_LEDGER_ENTRY "WHERE id < ?1 ORDER BY id DESC")                          \
    /* forgetting: each row, and whether it names ?3 (?4: its first 15 characters) */              \
    X(SQL_FIND_IN_LEDGER,                                                                          \
      "SELECT id, org = ?2 AND (before_json NOT NULL OR after_json NOT NULL) AND (member_id = ?3 " \
      "OR instr(coalesce(before_json, ''), ?4) > 0 OR instr(coalesce(after_json, ''), ?4) > 0) "   \
      "FROM ledger WHERE id > ?1 ORDER BY id")                                                     \
    X(SQL_FIND_IN_MESSAGES,                                                                        \
      "SELECT id, state >= 2 AND org = ?2 AND (record_id = ?3 OR subject_id = ?3) "                \
      "FROM notification WHERE id > ?1 AND ?4 NOT NULL ORDER BY id")                               \
    X(SQL_FIND_IN_DOCUMENTS, "SELECT id, org IN (?2, '') AND ?3 NOT NULL "                         \
                             "AND instr(body, CAST(?4 AS BLOB)) > 0 "                              \
                             "FROM quarantine WHERE id > ?1 ORDER BY id")                          \
    X(SQL_FIND_IN_JOBS,                                                                            \
      "SELECT id, org IN (?2, '') AND (EXISTS (SELECT 1 FROM job_item "                            \
      "WHERE job = job.id AND record_id = ?3) OR (state > 1 AND (instr(params, ?4) > 0 "           \
      "OR instr(message, ?4) > 0 OR instr(reason, ?4) > 0))) FROM job WHERE id > ?1 ORDER BY id")  \
    X(SQL_FORGET_LEDGER,                                                                           \
      "UPDATE ledger SET before_json = NULL, after_json = NULL WHERE id = ?1 AND ?2 NOT NULL")     \
    X(SQL_FORGET_DOCUMENT, "DELETE FROM quarantine WHERE id = ?1 AND ?2 NOT NULL")                 \
    X(SQL_FORGET_ITEM, "DELETE FROM job_item WHERE job = ?1 AND record_id = ?2")                   \
    X(SQL_FORGET_JOB,                                                                              \
      "UPDATE job SET params = iif(instr(params, ?2) > 0, '', params), "                           \
      "message = iif(instr(message, ?2) > 0, '', message), "                                       \
      "reason = iif(instr(reason, ?2) > 0, '', reason) WHERE id = ?1 AND state > 1")               \
    X(SQL_FIND_EMAIL,                                                                              \
      "SELECT id, org IN (?2, '') AND state > 1 AND ?4 NOT NULL AND (instr(lower(params), "        \
      "lower(?3)) > 0 OR instr(lower(message), lower(?3)) > 0 OR instr(lower(reason), lower(?3)) " \
      "> 0) FROM job WHERE id > ?1 ORDER BY id")                                                   \
    X(SQL_FORGET_EMAIL,                                                                            \
      "UPDATE job SET params = iif(instr(lower(params), lower(?2)) > 0, '', params), "             \
      "message = iif(instr(lower(message), lower(?2)) > 0, '', message), "                         \
      "reason = iif(instr(lower(reason), lower(?2)) > 0, '', reason) WHERE id = ?1 AND state > 1") \
    X(SQL_CURSOR_DROP, "DELETE FROM org_cursor WHERE org = ?1 AND name = ?2")                      \
    /* upkeep */                                                                                   \
    X(SQL_ENDED_OLD,                                                                               \
      "SELECT id, org FROM notification WHERE state = ?1 AND state >= 2 AND settled_at < ?2 "      \
      "ORDER BY settled_at LIMIT ?3")                                                              \
    X(SQL_REMOVE, "DELETE FROM notification WHERE id = ?1")                                        \
    X(SQL_LEDGER_TRIM,                                                                             \
      "DELETE FROM ledger WHERE id IN (SELECT id FROM ledger ORDER BY id LIMIT ?2) "               \
      "AND at < ?1")                                                                               \
    /* quarantine */                                                                               \
    X(SQL_QUARANTINE_PUT,                                                                          \
      "INSERT INTO quarantine (at, org, peer, reason, message, size, kept, body) "                 \
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")                                                   \
    X(SQL_QUARANTINE_DROP,                                                                         \
      "DELETE FROM quarantine WHERE id = (SELECT id FROM quarantine ORDER BY id LIMIT 1)")         \
    X(SQL_QUARANTINE_TRIM,                                                                         \
      "DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine ORDER BY id LIMIT ?2) "       \
      "AND at < ?1")                                                                               \
    X(SQL_QUARANTINE_WALK, "SELECT " SQL_DOCUMENT " FROM quarantine WHERE id < ?1 "                \
                           "ORDER BY id DESC LIMIT ?2")                                            \
    X(SQL_QUARANTINE_GET, "SELECT " SQL_DOCUMENT ", body FROM quarantine WHERE id = ?1")           \
    X(SQL_CLAMP, "UPDATE notification SET due_at = ?4 WHERE id IN (SELECT id FROM notification "   \
                 "WHERE " SQL_READY_OF " AND background = ?3 AND due_at > ?4 LIMIT ?5)")           \
    X(SQL_ECHO_SHIFT,                                                                              \
      "UPDATE notification SET due_at = due_at + ?2, rerun_at = CASE rerun_at WHEN 0 THEN 0 "      \
      "ELSE rerun_at + ?2 END WHERE org = ?1 AND state IN (0, 1) "                                 \
      "AND notification_id >= 'hint:echo:' AND notification_id < 'hint:echo;'")                    \
    X(SQL_ECHO_LANES,                                                                              \
      "INSERT INTO lane (org, key, background, due_at) SELECT org, key, background, due_at "       \
      "FROM notification WHERE org = ?1 AND state = 0 AND notification_id >= 'hint:echo:' "        \
      "AND notification_id < 'hint:echo;' ON CONFLICT (org, key, background) DO UPDATE SET "       \
      "due_at = excluded.due_at WHERE excluded.due_at < lane.due_at")

enum sql {
#define X(id, text) id,
    SQL_STATEMENTS(X)
#undef X
        SQL_COUNT
};

#endif
