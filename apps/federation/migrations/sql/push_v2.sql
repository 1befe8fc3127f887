-- As federation_push_v1, for labels that were hashed by `p_label_key`, or left as they are where that is empty. Where the
-- workspace has another key by now, nothing is taken in, and it is a serialization failure.
--
-- The counter row is locked when the key is looked at, and whoever sets another one locks it first.
CREATE FUNCTION federation_push_v2(
    p_workspace bigint, p_new_agent uuid, p_owner text, p_name text, p_client_text text, p_client_at timestamptz,
    p_digest bytea, p_topics text[], p_counts bigint[], p_labels text[], p_clear_labels int, p_metadata jsonb,
    p_label_key text
) RETURNS TABLE (status text, received_at timestamptz) LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    SELECT pushed.status, pushed.received_at INTO status, received_at
      FROM federation_push_v1(p_workspace, p_new_agent, p_owner, p_name, p_client_text, p_client_at, p_digest, p_topics,
                              p_counts, p_labels, p_clear_labels, p_metadata) AS pushed;
    IF status = 'accepted' AND p_label_key <> coalesce(
        (SELECT label_key FROM federation_federation WHERE workspace_id = p_workspace), '') THEN
        RAISE EXCEPTION 'the key of labels is another one by now' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NEXT;
END $$;
