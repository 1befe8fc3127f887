-- The merge: the only writers of agents, summaries, topics, labels and the counter of a workspace's federation.
--
-- Every entry point locks the counter row first, so that what follows sees what is committed then and no two of them
-- meet at one topic or label. An agent's row holds what it has in the merged view; every change of the view is the
-- difference between that and what it is to have.
--
-- In all of them `enable_seqscan` is off, as in the change functions of files. A new signature is a new name (_v2).

CREATE FUNCTION federation_lock_v1(p_workspace bigint) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET lock_timeout = '5s' AS $$
BEGIN
    PERFORM 1 FROM federation_federationcounter WHERE workspace_id = p_workspace FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        INSERT INTO federation_federationcounter (workspace_id, revision, pushes, agents, last_text, started_at)
        VALUES (p_workspace, 0, 0, 0, '', clock_timestamp()) ON CONFLICT DO NOTHING;
        PERFORM 1 FROM federation_federationcounter WHERE workspace_id = p_workspace FOR NO KEY UPDATE;
    END IF;
END $$;

CREATE FUNCTION federation_mode_v1(p_workspace bigint) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT mode FROM federation_federation WHERE workspace_id = p_workspace), 'newest');
$$;

-- Makes these the agent's part of the merged view, in place of what it had.
CREATE FUNCTION federation_contribute_v1(
    p_workspace bigint, p_agent uuid, p_topics text[], p_counts numeric[], p_labels text[]
) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    v_had federation_agent;
BEGIN
    SELECT * INTO STRICT v_had FROM federation_agent WHERE id = p_agent;

    WITH change AS (
        SELECT topic, sum(count) AS total, sum(step)::int AS step
          FROM (SELECT *, 1 FROM unnest(p_topics, p_counts)
                UNION ALL SELECT topic, -count, -1 FROM unnest(v_had.topics, v_had.counts) AS h (topic, count)
               ) AS both_sides (topic, count, step)
         GROUP BY topic HAVING sum(step) <> 0 OR sum(count) <> 0
    ), moved AS (
        UPDATE federation_topic t SET total = t.total + c.total, agents = t.agents + c.step
          FROM change c WHERE t.workspace_id = p_workspace AND t.topic = c.topic
        RETURNING t.topic
    )
    INSERT INTO federation_topic (workspace_id, topic, total, agents)
    SELECT p_workspace, topic, total, step FROM change WHERE topic NOT IN (SELECT topic FROM moved);
    DELETE FROM federation_topic
     WHERE workspace_id = p_workspace AND topic = ANY (v_had.topics) AND agents = 0;

    WITH change AS (
        SELECT label, sum(step)::int AS step
          FROM (SELECT unnest(p_labels), 1 UNION ALL SELECT unnest(v_had.labels), -1) AS both_sides (label, step)
         GROUP BY label HAVING sum(step) <> 0
    ), moved AS (
        UPDATE federation_label l SET agents = l.agents + c.step
          FROM change c WHERE l.workspace_id = p_workspace AND l.label = c.label
        RETURNING l.label
    )
    INSERT INTO federation_label (workspace_id, label, agents)
    SELECT p_workspace, label, step FROM change WHERE label NOT IN (SELECT label FROM moved);
    DELETE FROM federation_label
     WHERE workspace_id = p_workspace AND label = ANY (v_had.labels) AND agents = 0;

    UPDATE federation_agent SET topics = p_topics, counts = p_counts, labels = p_labels WHERE id = p_agent;
END $$;

-- Makes what the agent's summaries say, by the workspace's mode, its part of the merged view.
CREATE FUNCTION federation_recount_v1(p_workspace bigint, p_agent uuid) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    v_newest federation_summary;
    v_topics text[];
    v_counts numeric[];
    v_labels text[];
BEGIN
    SELECT * INTO v_newest FROM federation_summary WHERE agent_id = p_agent
     ORDER BY counts_from DESC, received_at DESC, id DESC LIMIT 1;
    IF federation_mode_v1(p_workspace) = 'sum' THEN
        SELECT coalesce(array_agg(topic ORDER BY topic COLLATE "C"), '{}'),
               coalesce(array_agg(total ORDER BY topic COLLATE "C"), '{}') INTO v_topics, v_counts
          FROM (SELECT t.topic, sum(t.count) AS total
                  FROM federation_summary s, unnest(s.topics, s.counts) AS t (topic, count)
                 WHERE s.agent_id = p_agent GROUP BY t.topic) AS sums;
        SELECT coalesce(array_agg(DISTINCT label COLLATE "C" ORDER BY label COLLATE "C"), '{}') INTO v_labels
          FROM federation_summary s, unnest(s.labels) AS l (label) WHERE s.agent_id = p_agent;
    ELSE
        v_topics := v_newest.topics;
        v_counts := v_newest.counts;
        v_labels := v_newest.labels;
    END IF;
    PERFORM federation_contribute_v1(p_workspace, p_agent, v_topics, v_counts, v_labels);
    UPDATE federation_agent SET newest_at = v_newest.counts_from, newest_text = v_newest.client_text
     WHERE id = p_agent;
END $$;

-- Brings the counter in line with the agents that are left, and tells that the view is another.
CREATE FUNCTION federation_settle_v1(p_workspace bigint) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    v_last federation_agent;
BEGIN
    SELECT * INTO v_last FROM federation_agent WHERE workspace_id = p_workspace
     ORDER BY newest_at DESC, last_seen_at DESC, id DESC LIMIT 1;
    UPDATE federation_federationcounter
       SET revision = revision + 1, last_at = v_last.newest_at, last_text = coalesce(v_last.newest_text, ''),
           agents = (SELECT count(*) FROM federation_agent WHERE workspace_id = p_workspace)
     WHERE workspace_id = p_workspace;
END $$;

-- Takes in a summary. `status` is accepted, or repeated for one that the agent has pushed before: then nothing changes.
-- `p_new_agent` becomes the agent's id where it is new.
CREATE FUNCTION federation_push_v1(
    p_workspace bigint, p_new_agent uuid, p_owner text, p_name text, p_client_text text, p_client_at timestamptz,
    p_digest bytea, p_topics text[], p_counts bigint[], p_labels text[], p_clear_labels int, p_metadata jsonb
) RETURNS TABLE (status text, received_at timestamptz) LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    v_agent federation_agent;
    v_now timestamptz;
    v_counts_from timestamptz;
BEGIN
    -- A retry that comes after its first sending was committed waits for nobody.
    SELECT s.received_at INTO received_at
      FROM federation_agent a JOIN federation_summary s ON s.agent_id = a.id AND s.digest = p_digest
     WHERE a.workspace_id = p_workspace AND a.owner = p_owner AND a.name = p_name;
    IF FOUND THEN
        status := 'repeated';
        RETURN NEXT;
        RETURN;
    END IF;

    PERFORM federation_lock_v1(p_workspace);
    v_now := clock_timestamp();
    v_counts_from := least(p_client_at, v_now + interval '5 minutes');
    SELECT * INTO v_agent FROM federation_agent
     WHERE workspace_id = p_workspace AND owner = p_owner AND name = p_name;
    IF NOT FOUND THEN
        INSERT INTO federation_agent (id, workspace_id, owner, name, first_seen_at, last_seen_at, pushes, newest_at,
                                      newest_text, topics, counts, labels)
        VALUES (p_new_agent, p_workspace, p_owner, p_name, v_now, v_now, 0, '-infinity', '', '{}', '{}', '{}')
        RETURNING * INTO v_agent;
        UPDATE federation_federationcounter SET agents = agents + 1 WHERE workspace_id = p_workspace;
    END IF;
    INSERT INTO federation_summary (agent_id, received_at, client_text, client_at, counts_from, digest, topics, counts,
                                    labels, clear_labels, metadata)
    VALUES (v_agent.id, v_now, p_client_text, p_client_at, v_counts_from, p_digest, p_topics, p_counts,
            p_labels, p_clear_labels, p_metadata)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        -- Its first sending was committed while this one waited.
        SELECT s.received_at INTO received_at
          FROM federation_summary s WHERE s.agent_id = v_agent.id AND s.digest = p_digest;
        status := 'repeated';
        RETURN NEXT;
        RETURN;
    END IF;

    IF federation_mode_v1(p_workspace) = 'sum' THEN
        PERFORM federation_add_v1(p_workspace, v_agent, p_topics, p_counts, p_labels);
    ELSIF v_counts_from >= v_agent.newest_at THEN
        PERFORM federation_contribute_v1(p_workspace, v_agent.id, p_topics, p_counts, p_labels);
    END IF;
    UPDATE federation_agent a
       SET pushes = a.pushes + 1, last_seen_at = v_now,
           newest_at = greatest(a.newest_at, v_counts_from),
           newest_text = CASE WHEN v_counts_from >= a.newest_at THEN p_client_text ELSE a.newest_text END
     WHERE a.id = v_agent.id;
    UPDATE federation_federationcounter c
       SET revision = c.revision + 1, pushes = c.pushes + 1,
           last_at = greatest(c.last_at, v_counts_from),
           last_text = CASE WHEN c.last_at IS NULL OR v_counts_from >= c.last_at THEN p_client_text ELSE c.last_text END
     WHERE c.workspace_id = p_workspace;
    status := 'accepted';
    received_at := v_now;
    RETURN NEXT;
END $$;

-- Adds one more summary to what the agent has in a view that sums all of them.
CREATE FUNCTION federation_add_v1(
    p_workspace bigint, p_agent federation_agent, p_topics text[], p_counts numeric[], p_labels text[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_topics text[];
    v_counts numeric[];
    v_labels text[];
BEGIN
    SELECT array_agg(topic ORDER BY topic COLLATE "C"), array_agg(total ORDER BY topic COLLATE "C")
      INTO v_topics, v_counts
      FROM (SELECT topic, sum(count) AS total
              FROM (SELECT * FROM unnest(p_agent.topics, p_agent.counts)
                    UNION ALL SELECT * FROM unnest(p_topics, p_counts)) AS each (topic, count)
             GROUP BY topic) AS sums;
    SELECT array_agg(label ORDER BY label COLLATE "C") INTO v_labels
      FROM (SELECT unnest(p_agent.labels) UNION SELECT unnest(p_labels)) AS each (label);
    PERFORM federation_contribute_v1(
        p_workspace, p_agent.id, coalesce(v_topics, '{}'), coalesce(v_counts, '{}'), coalesce(v_labels, '{}'));
END $$;

-- Takes an agent out with all that it ever pushed. False where it is gone already.
CREATE FUNCTION federation_withdraw_v1(p_workspace bigint, p_agent uuid) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    PERFORM federation_lock_v1(p_workspace);
    PERFORM 1 FROM federation_agent WHERE id = p_agent AND workspace_id = p_workspace;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM federation_contribute_v1(p_workspace, p_agent, '{}', '{}', '{}');
    DELETE FROM federation_summary WHERE agent_id = p_agent;
    DELETE FROM federation_agent WHERE id = p_agent;
    PERFORM federation_settle_v1(p_workspace);
    RETURN true;
END $$;

-- Takes out what came before a moment: summaries, and the agents that have no other.
CREATE FUNCTION federation_expire_v1(p_workspace bigint, p_before timestamptz)
RETURNS TABLE (agents int, summaries int) LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    v_agent uuid;
    v_gone int;
BEGIN
    agents := 0;
    summaries := 0;
    PERFORM federation_lock_v1(p_workspace);
    FOR v_agent IN SELECT id FROM federation_agent WHERE workspace_id = p_workspace AND first_seen_at < p_before LOOP
        DELETE FROM federation_summary s WHERE s.agent_id = v_agent AND s.received_at < p_before;
        GET DIAGNOSTICS v_gone = ROW_COUNT;
        CONTINUE WHEN v_gone = 0;
        summaries := summaries + v_gone;
        IF EXISTS (SELECT 1 FROM federation_summary s WHERE s.agent_id = v_agent) THEN
            PERFORM federation_recount_v1(p_workspace, v_agent);
        ELSE
            PERFORM federation_contribute_v1(p_workspace, v_agent, '{}', '{}', '{}');
            DELETE FROM federation_agent WHERE id = v_agent;
            agents := agents + 1;
        END IF;
    END LOOP;
    IF summaries > 0 THEN
        PERFORM federation_settle_v1(p_workspace);
    END IF;
    RETURN NEXT;
END $$;

-- Merges everything anew, after the mode was changed in this transaction.
CREATE FUNCTION federation_merge_anew_v1(p_workspace bigint) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    PERFORM federation_lock_v1(p_workspace);
    PERFORM federation_recount_v1(p_workspace, id) FROM federation_agent WHERE workspace_id = p_workspace;
    PERFORM federation_settle_v1(p_workspace);
END $$;

-- Takes everything out, and counts from nothing.
CREATE FUNCTION federation_reset_v1(p_workspace bigint) RETURNS timestamptz
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    v_now timestamptz;
BEGIN
    PERFORM federation_lock_v1(p_workspace);
    v_now := clock_timestamp();
    DELETE FROM federation_summary s USING federation_agent a
     WHERE a.workspace_id = p_workspace AND s.agent_id = a.id;
    DELETE FROM federation_agent WHERE workspace_id = p_workspace;
    DELETE FROM federation_topic WHERE workspace_id = p_workspace;
    DELETE FROM federation_label WHERE workspace_id = p_workspace;
    UPDATE federation_federationcounter
       SET revision = revision + 1, pushes = 0, agents = 0, last_at = NULL, last_text = '', started_at = v_now
     WHERE workspace_id = p_workspace;
    RETURN v_now;
END $$;
