-- The change functions: the only writers of files, versions, change sets and (on behalf of `blobs`) blobs.
--
-- The entry points lock the workspace's counter row and judge every condition against what is committed then. A
-- plain single statement would judge by a snapshot from before it waited for the lock. In all, and so in what they
-- call, `enable_seqscan` is off, because a cached generic plan on stale statistics cost 30 ms a write.
--
-- A new signature is a new name (_v2); the old functions live one release longer.

-- What became of one item. `version` and the digests describe the path's state afterwards; for a refusal the
-- state that it was judged by, null where the path was never written. `previous` is none, live or tombstone.
-- `detail` is the twin's path for path_collision and the quota's name for quota_exceeded.
CREATE TYPE files_change_v1 AS (
    status text,
    version bigint,
    is_deleted boolean,
    sha256 bytea,
    md5 bytea,
    size_bytes bigint,
    content_type text,
    changed_at timestamptz,
    previous text,
    detail text
);

-- The locked counter row with the limits that apply; sums move along while a batch is written.
CREATE TYPE files_room_v1 AS (
    last_sequence bigint,
    live_files bigint,
    live_bytes bigint,
    stored_bytes bigint,
    quota_files bigint,
    quota_live_bytes bigint,
    quota_stored_bytes bigint,
    portable_names boolean
);

CREATE FUNCTION files_condition_holds_v1(p_head files_file, p_condition text, p_version bigint, p_md5 bytea)
RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    -- A path that was never written has a null id, and every comparison with its columns is null.
    RETURN coalesce(CASE p_condition
        WHEN 'any' THEN true
        WHEN 'live' THEN NOT p_head.is_deleted
        WHEN 'absent' THEN coalesce(p_head.is_deleted, true)
        WHEN 'never' THEN p_head.id IS NULL
        WHEN 'version' THEN NOT p_head.is_deleted AND p_head.head & 1099511627775 = p_version
        WHEN 'state' THEN p_head.head & 1099511627775 = p_version
        WHEN 'md5' THEN p_head.md5 = p_md5
    END, false);
END $$;

-- What would become of one item by its condition and the path's head alone.
CREATE FUNCTION files_verdict_v1(
    p_head files_file, p_delete boolean, p_condition text, p_version bigint, p_md5 bytea,
    p_always boolean, p_sha256 bytea, p_content_type text
) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF NOT files_condition_holds_v1(p_head, p_condition, p_version, p_md5) THEN
        RETURN 'precondition_failed';
    ELSIF p_delete THEN
        RETURN CASE WHEN p_head.id IS NULL OR p_head.is_deleted AND NOT p_always THEN 'not_found' ELSE 'deleted' END;
    ELSIF p_head.id IS NULL OR p_head.is_deleted THEN
        RETURN 'created';
    ELSIF NOT p_always AND p_head.sha256 = p_sha256 AND p_head.content_type = p_content_type THEN
        RETURN 'unchanged';
    END IF;
    RETURN 'updated';
END $$;

CREATE FUNCTION files_answer_v1(p_status text, p_head files_file, p_previous text, p_detail text)
RETURNS files_change_v1 LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN ROW(p_status, p_head.head & 1099511627775, p_head.is_deleted, p_head.sha256, p_head.md5, p_head.size_bytes,
               p_head.content_type, p_head.changed_at, p_previous, p_detail)::files_change_v1;
END $$;

CREATE FUNCTION files_lock_room_v1(p_workspace bigint) RETURNS files_room_v1 LANGUAGE plpgsql AS $$
DECLARE
    room files_room_v1;
BEGIN
    -- Two statements: one would take the workspace's options from a snapshot from before the wait for the lock.
    PERFORM FROM workspaces_workspacecounter WHERE workspace_id = p_workspace FOR NO KEY UPDATE;
    SELECT c.last_sequence, c.live_files, c.live_bytes, c.stored_bytes,
           w.quota_files, w.quota_live_bytes, w.quota_stored_bytes, w.portable_names
      INTO room
      FROM workspaces_workspacecounter c JOIN workspaces_workspace w ON w.id = c.workspace_id
     WHERE c.workspace_id = p_workspace AND w.archived_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'workspace is gone' USING ERRCODE = 'MH404';
    END IF;
    RETURN room;
END $$;

-- Judges one item under the lock and writes it when it may be: blob, head, version. Moves the sums in `room`; the
-- caller writes them back, and the change set, once for all items.
CREATE FUNCTION files_apply_item_v1(
    INOUT room files_room_v1, OUT answer files_change_v1,
    p_workspace bigint, p_path text, p_delete boolean, p_condition text, p_version bigint, p_if_md5 bytea,
    p_always boolean, p_sha256 bytea, p_md5 bytea, p_size bigint, p_content_type text, p_inline bytea,
    p_object_key text, p_portable_key uuid, p_now timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
    head files_file;
    stored record;
    verdict text;
    previous text;
    number bigint;
    old_bytes bigint := 0;
    twin text;
    full_quota text;
BEGIN
    SELECT * INTO head FROM files_file WHERE workspace_id = p_workspace AND path = p_path;
    previous := CASE WHEN head.id IS NULL THEN 'none' WHEN head.is_deleted THEN 'tombstone' ELSE 'live' END;
    verdict := files_verdict_v1(head, p_delete, p_condition, p_version, p_if_md5, p_always, p_sha256, p_content_type);
    IF verdict IN ('precondition_failed', 'not_found', 'unchanged') THEN
        answer := files_answer_v1(verdict, head, previous, NULL);
        RETURN;
    END IF;
    number := p_workspace << 40 | (room.last_sequence + 1);
    IF previous = 'live' THEN
        old_bytes := head.size_bytes;
    END IF;

    IF p_delete THEN
        UPDATE files_file SET head = number, blob_id = NULL, size_bytes = 0, is_deleted = true, changed_at = p_now,
                              portable_key = NULL
         WHERE id = head.id;
        INSERT INTO files_fileversion (id, file_id, blob_id, content_type, size_bytes, changed_at, parent)
        VALUES (number, head.id, NULL, head.content_type, 0, p_now, head.head);
        room.last_sequence := room.last_sequence + 1;
        room.live_files := room.live_files - (previous = 'live')::int;
        room.live_bytes := room.live_bytes - old_bytes;
        answer := ROW('deleted', number & 1099511627775, true, head.sha256, head.md5, 0, head.content_type, p_now,
                      previous, NULL)::files_change_v1;
        RETURN;
    END IF;

    SELECT id, md5, size_bytes, inline IS NULL AS lacks_inline INTO stored
      FROM blobs_blob WHERE workspace_id = p_workspace AND sha256 = p_sha256;
    IF stored.id IS NOT NULL THEN
        p_md5 := stored.md5;
        p_size := stored.size_bytes;
    END IF;

    full_quota := CASE
        WHEN previous <> 'live' AND room.live_files + 1 > room.quota_files THEN 'quota_files'
        WHEN p_size > old_bytes AND room.live_bytes - old_bytes + p_size > room.quota_live_bytes THEN 'quota_live_bytes'
        WHEN stored.id IS NULL AND room.stored_bytes + p_size > room.quota_stored_bytes THEN 'quota_stored_bytes'
    END;
    IF full_quota IS NOT NULL THEN
        answer := files_answer_v1('quota_exceeded', head, previous, full_quota);
        RETURN;
    END IF;
    IF room.portable_names AND previous <> 'live' THEN
        SELECT path INTO twin FROM files_file
         WHERE portable_key = p_portable_key AND workspace_id = p_workspace AND path <> p_path LIMIT 1;
        IF FOUND THEN
            answer := files_answer_v1('path_collision', head, previous, twin);
            RETURN;
        END IF;
    END IF;

    -- Last of all refusals: large bytes are stored only when nothing else stands in their way.
    IF stored.id IS NULL AND p_inline IS NULL AND p_object_key IS NULL THEN
        answer := files_answer_v1('blob_missing', head, previous, NULL);
        RETURN;
    END IF;

    IF stored.id IS NULL THEN
        INSERT INTO blobs_blob (workspace_id, sha256, md5, size_bytes, inline, object_key, created_at)
        VALUES (p_workspace, p_sha256, p_md5, p_size, p_inline, p_object_key, p_now)
        RETURNING id INTO stored.id;
        room.stored_bytes := room.stored_bytes + p_size;
        IF p_object_key IS NOT NULL THEN
            DELETE FROM blobs_objectintent WHERE object_key = p_object_key AND expired_at IS NULL;
            IF NOT FOUND THEN
                RAISE EXCEPTION 'the upload took too long' USING ERRCODE = 'MH503';
            END IF;
        END IF;
    ELSIF stored.lacks_inline AND p_inline IS NOT NULL THEN
        UPDATE blobs_blob SET inline = p_inline WHERE id = stored.id;
    END IF;

    IF head.id IS NULL THEN
        head.id := number;
        INSERT INTO files_file (id, workspace_id, path, head, blob_id, sha256, md5, size_bytes, content_type,
                                is_deleted, changed_at, portable_key)
        VALUES (number, p_workspace, p_path, number, stored.id, p_sha256, p_md5, p_size, p_content_type,
                false, p_now, CASE WHEN room.portable_names THEN p_portable_key END);
    ELSE
        UPDATE files_file SET head = number, blob_id = stored.id, sha256 = p_sha256, md5 = p_md5, size_bytes = p_size,
                              content_type = p_content_type, is_deleted = false, changed_at = p_now,
                              portable_key = CASE WHEN room.portable_names THEN p_portable_key END
         WHERE id = head.id;
    END IF;
    INSERT INTO files_fileversion (id, file_id, blob_id, content_type, size_bytes, changed_at, parent)
    VALUES (number, head.id, stored.id, p_content_type, p_size, p_now, head.head);
    room.last_sequence := room.last_sequence + 1;
    room.live_files := room.live_files + (previous <> 'live')::int;
    room.live_bytes := room.live_bytes - old_bytes + p_size;
    answer := ROW(verdict, number & 1099511627775, false, p_sha256, p_md5, p_size, p_content_type, p_now,
                  previous, NULL)::files_change_v1;
END $$;

CREATE FUNCTION files_save_room_v1(p_workspace bigint, room files_room_v1) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE workspaces_workspacecounter
       SET last_sequence = room.last_sequence, live_files = room.live_files, live_bytes = room.live_bytes,
           stored_bytes = room.stored_bytes
     WHERE workspace_id = p_workspace;
END $$;

-- The change set of what was written after the sequence `p_before`.
CREATE FUNCTION files_add_change_set_v1(
    p_workspace bigint, p_before bigint, room files_room_v1, p_deletes int,
    p_origin text, p_actor text, p_message text, p_now timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO files_changeset (id, last, origin, actor, message, put_count, delete_count, created_at)
    VALUES (p_workspace << 40 | (p_before + 1), p_workspace << 40 | room.last_sequence, p_origin, p_actor, p_message,
            room.last_sequence - p_before - p_deletes, p_deletes, p_now);
END $$;

-- One file. Answers `unchanged`, `not_found` and a false condition before it takes any lock.
CREATE FUNCTION files_apply_change_v1(
    p_workspace bigint, p_path text, p_delete boolean, p_condition text, p_version bigint, p_if_md5 bytea,
    p_always boolean, p_sha256 bytea, p_md5 bytea, p_size bigint, p_content_type text, p_inline bytea,
    p_object_key text, p_portable_key uuid, p_origin text, p_actor text, p_message text
) RETURNS files_change_v1 LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    head files_file;
    verdict text;
    room files_room_v1;
    applied record;
    before bigint;
    moment timestamptz;
BEGIN
    SELECT * INTO head FROM files_file WHERE workspace_id = p_workspace AND path = p_path;
    verdict := files_verdict_v1(head, p_delete, p_condition, p_version, p_if_md5, p_always, p_sha256, p_content_type);
    IF verdict IN ('precondition_failed', 'not_found', 'unchanged') THEN
        RETURN files_answer_v1(verdict, head, CASE WHEN head.id IS NULL THEN 'none' WHEN head.is_deleted
                                                   THEN 'tombstone' ELSE 'live' END, NULL);
    END IF;

    room := files_lock_room_v1(p_workspace);
    before := room.last_sequence;
    moment := clock_timestamp();
    SELECT * INTO applied FROM files_apply_item_v1(
        room, p_workspace, p_path, p_delete, p_condition, p_version, p_if_md5, p_always, p_sha256, p_md5, p_size,
        p_content_type, p_inline, p_object_key, p_portable_key, moment);
    room := applied.room;
    IF room.last_sequence > before THEN
        PERFORM files_save_room_v1(p_workspace, room);
        PERFORM files_add_change_set_v1(p_workspace, before, room, p_delete::int, p_origin, p_actor, p_message, moment);
    END IF;
    RETURN applied.answer;
END $$;

-- One file of each of several writers, in order, each a change set of its own; one answer for each, in the same order.
-- A path may occur twice: the second is judged by what the first made of it.
CREATE FUNCTION files_apply_group_v1(
    p_workspace bigint, p_paths text[], p_deletes boolean[], p_conditions text[], p_versions bigint[],
    p_if_md5s bytea[], p_always boolean[], p_sha256s bytea[], p_md5s bytea[], p_sizes bigint[],
    p_content_types text[], p_inlines bytea[], p_object_keys text[], p_portable_keys uuid[],
    p_origins text[], p_actors text[], p_messages text[]
) RETURNS SETOF files_change_v1 LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    room files_room_v1;
    applied record;
    answers files_change_v1[] := '{}';
    first bigint;
    before bigint;
    moment timestamptz;
BEGIN
    room := files_lock_room_v1(p_workspace);
    first := room.last_sequence;
    moment := clock_timestamp();
    FOR i IN 1 .. cardinality(p_paths) LOOP
        before := room.last_sequence;
        SELECT * INTO applied FROM files_apply_item_v1(
            room, p_workspace, p_paths[i], p_deletes[i], p_conditions[i], p_versions[i], p_if_md5s[i], p_always[i],
            p_sha256s[i], p_md5s[i], p_sizes[i], p_content_types[i], p_inlines[i], p_object_keys[i],
            p_portable_keys[i], moment);
        room := applied.room;
        answers := answers || applied.answer;
        IF room.last_sequence > before THEN
            PERFORM files_add_change_set_v1(
                p_workspace, before, room, p_deletes[i]::int, p_origins[i], p_actors[i], p_messages[i], moment);
        END IF;
    END LOOP;
    IF room.last_sequence > first THEN
        PERFORM files_save_room_v1(p_workspace, room);
    END IF;
    RETURN QUERY SELECT * FROM unnest(answers);
END $$;

-- Many files, in order, as one change set; one answer for each item, in the same order. With `p_all_or_nothing` one
-- refused item undoes all, and the items that were not refused themselves answer `not_applied`.
CREATE FUNCTION files_apply_changes_v1(
    p_workspace bigint, p_all_or_nothing boolean, p_paths text[], p_deletes boolean[], p_conditions text[],
    p_versions bigint[], p_if_md5s bytea[], p_always boolean, p_sha256s bytea[], p_md5s bytea[], p_sizes bigint[],
    p_content_types text[], p_inlines bytea[], p_object_keys text[], p_portable_keys uuid[],
    p_origin text, p_actor text, p_message text
) RETURNS SETOF files_change_v1 LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    room files_room_v1;
    applied record;
    answer files_change_v1;
    answers files_change_v1[] := '{}';
    before bigint;
    deletes int := 0;
    refused boolean := false;
    moment timestamptz;
BEGIN
    BEGIN
        room := files_lock_room_v1(p_workspace);
        before := room.last_sequence;
        moment := clock_timestamp();
        FOR i IN 1 .. cardinality(p_paths) LOOP
            SELECT * INTO applied FROM files_apply_item_v1(
                room, p_workspace, p_paths[i], p_deletes[i], p_conditions[i], p_versions[i], p_if_md5s[i], p_always,
                p_sha256s[i], p_md5s[i], p_sizes[i], p_content_types[i], p_inlines[i], p_object_keys[i],
                p_portable_keys[i], moment);
            room := applied.room;
            answer := applied.answer;
            deletes := deletes + (answer.status = 'deleted')::int;
            refused := refused OR answer.status NOT IN ('created', 'updated', 'deleted', 'unchanged');
            answers := answers || answer;
        END LOOP;
        IF refused AND p_all_or_nothing THEN
            RAISE EXCEPTION 'refused' USING ERRCODE = 'MH424';
        END IF;
        IF room.last_sequence > before THEN
            PERFORM files_save_room_v1(p_workspace, room);
            PERFORM files_add_change_set_v1(
                p_workspace, before, room, deletes, p_origin, p_actor, p_message, moment);
        END IF;
    EXCEPTION WHEN SQLSTATE 'MH424' THEN
        FOR i IN 1 .. cardinality(answers) LOOP
            IF answers[i].status IN ('created', 'updated', 'deleted', 'unchanged') THEN
                answers[i] := ROW('not_applied', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::files_change_v1;
            END IF;
        END LOOP;
    END;
    RETURN QUERY SELECT * FROM unnest(answers);
END $$;
