-- Cheaper pushes. An agent whose labels in the merged view are those of one summary does not hold them once more, labels
-- are found by one scan of the index, and only what came to zero is looked up to be deleted. What is not here is as in v1.

-- Makes these the agent's part of the merged view, in place of what it had. Where the labels are those of one summary,
-- `p_labels_from` is its id, and the agent's row keeps that in their place.
--
-- Its plans are generic: to plan anew for a thousand labels took a tenth of a push.
CREATE FUNCTION federation_contribute_v2(
    p_workspace bigint, p_agent uuid, p_topics text[], p_counts numeric[], p_labels text[], p_labels_from bigint
) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_had federation_agent;
    v_come text[];
    v_gone text[];
    v_known int;
BEGIN
    SELECT * INTO STRICT v_had FROM federation_agent WHERE id = p_agent;
    IF v_had.labels_from IS NOT NULL THEN
        SELECT labels INTO STRICT v_had.labels FROM federation_summary WHERE id = v_had.labels_from;
    END IF;

    WITH change AS (
        SELECT topic, sum(count) AS total, sum(step)::int AS step
          FROM (SELECT *, 1 FROM unnest(p_topics, p_counts)
                UNION ALL SELECT topic, -count, -1 FROM unnest(v_had.topics, v_had.counts) AS h (topic, count)
               ) AS both_sides (topic, count, step)
         GROUP BY topic HAVING sum(step) <> 0 OR sum(count) <> 0
    ), moved AS (
        UPDATE federation_topic t SET total = t.total + c.total, agents = t.agents + c.step
          FROM change c WHERE t.workspace_id = p_workspace AND t.topic = c.topic
        RETURNING t.topic, t.agents
    ), added AS (
        INSERT INTO federation_topic (workspace_id, topic, total, agents)
        SELECT p_workspace, topic, total, step FROM change WHERE topic NOT IN (SELECT topic FROM moved)
    )
    SELECT array_agg(topic) INTO v_gone FROM moved WHERE agents = 0;
    DELETE FROM federation_topic WHERE workspace_id = p_workspace AND topic = ANY (v_gone);

    SELECT array_agg(label) FILTER (WHERE step > 0), array_agg(label) FILTER (WHERE step < 0) INTO v_come, v_gone
      FROM (SELECT label, sum(step) AS step
              FROM (SELECT unnest(p_labels), 1 UNION ALL SELECT unnest(v_had.labels), -1) AS both_sides (label, step)
             GROUP BY label) AS steps;
    UPDATE federation_label SET agents = agents + 1 WHERE workspace_id = p_workspace AND label = ANY (v_come);
    GET DIAGNOSTICS v_known = ROW_COUNT;
    IF v_known < cardinality(v_come) THEN
        INSERT INTO federation_label (workspace_id, label, agents) SELECT p_workspace, unnest(v_come), 1
        ON CONFLICT DO NOTHING;
    END IF;
    WITH moved AS (
        UPDATE federation_label SET agents = agents - 1 WHERE workspace_id = p_workspace AND label = ANY (v_gone)
        RETURNING label, agents
    )
    SELECT array_agg(label) INTO v_gone FROM moved WHERE agents = 0;
    DELETE FROM federation_label WHERE workspace_id = p_workspace AND label = ANY (v_gone);

    UPDATE federation_agent
       SET topics = p_topics, counts = p_counts, labels_from = p_labels_from,
           labels = CASE WHEN p_labels_from IS NULL THEN p_labels ELSE '{}' END
     WHERE id = p_agent;
END $$;

-- Makes what the agent's summaries say, by the workspace's mode, its part of the merged view.
CREATE OR REPLACE FUNCTION federation_recount_v1(p_workspace bigint, p_agent uuid) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    v_newest federation_summary;
    v_topics text[];
    v_counts numeric[];
    v_labels text[];
    v_labels_from bigint;
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
        v_labels_from := v_newest.id;
    END IF;
    PERFORM federation_contribute_v2(p_workspace, p_agent, v_topics, v_counts, v_labels, v_labels_from);
    UPDATE federation_agent SET newest_at = v_newest.counts_from, newest_text = v_newest.client_text
     WHERE id = p_agent;
END $$;

-- Takes in a summary. `status` is accepted, or repeated for one that the agent has pushed before: then nothing changes.
-- `p_new_agent` becomes the agent's id where it is new.
CREATE OR REPLACE FUNCTION federation_push_v1(
    p_workspace bigint, p_new_agent uuid, p_owner text, p_name text, p_client_text text, p_client_at timestamptz,
    p_digest bytea, p_topics text[], p_counts bigint[], p_labels text[], p_clear_labels int, p_metadata jsonb
) RETURNS TABLE (status text, received_at timestamptz) LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    v_agent federation_agent;
    v_summary bigint;
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
    ON CONFLICT DO NOTHING RETURNING id INTO v_summary;
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
        PERFORM federation_contribute_v2(p_workspace, v_agent.id, p_topics, p_counts, p_labels, v_summary);
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
CREATE OR REPLACE FUNCTION federation_add_v1(
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
    PERFORM federation_contribute_v2(
        p_workspace, p_agent.id, coalesce(v_topics, '{}'), coalesce(v_counts, '{}'), coalesce(v_labels, '{}'), NULL);
END $$;

-- Takes an agent out with all that it ever pushed. False where it is gone already.
CREATE OR REPLACE FUNCTION federation_withdraw_v1(p_workspace bigint, p_agent uuid) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    PERFORM federation_lock_v1(p_workspace);
    PERFORM 1 FROM federation_agent WHERE id = p_agent AND workspace_id = p_workspace;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM federation_contribute_v2(p_workspace, p_agent, '{}', '{}', '{}', NULL);
    DELETE FROM federation_summary WHERE agent_id = p_agent;
    DELETE FROM federation_agent WHERE id = p_agent;
    PERFORM federation_settle_v1(p_workspace);
    RETURN true;
END $$;

-- Takes out what came before a moment: summaries, and the agents that have no other.
CREATE OR REPLACE FUNCTION federation_expire_v1(p_workspace bigint, p_before timestamptz)
RETURNS TABLE (agents int, summaries int) LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    v_agent uuid;
    v_gone int;
BEGIN
    agents := 0;
    summaries := 0;
    PERFORM federation_lock_v1(p_workspace);
    FOR v_agent IN SELECT id FROM federation_agent WHERE workspace_id = p_workspace AND first_seen_at < p_before LOOP
        -- What it has in the view must outlive the summary that holds it.
        UPDATE federation_agent a SET labels = s.labels, labels_from = NULL
          FROM federation_summary s WHERE a.id = v_agent AND s.id = a.labels_from AND s.received_at < p_before;
        DELETE FROM federation_summary s WHERE s.agent_id = v_agent AND s.received_at < p_before;
        GET DIAGNOSTICS v_gone = ROW_COUNT;
        CONTINUE WHEN v_gone = 0;
        summaries := summaries + v_gone;
        IF EXISTS (SELECT 1 FROM federation_summary s WHERE s.agent_id = v_agent) THEN
            PERFORM federation_recount_v1(p_workspace, v_agent);
        ELSE
            PERFORM federation_contribute_v2(p_workspace, v_agent, '{}', '{}', '{}', NULL);
            DELETE FROM federation_agent WHERE id = v_agent;
            agents := agents + 1;
        END IF;
    END LOOP;
    IF summaries > 0 THEN
        PERFORM federation_settle_v1(p_workspace);
    END IF;
    RETURN NEXT;
END $$;

DROP FUNCTION federation_contribute_v1;
