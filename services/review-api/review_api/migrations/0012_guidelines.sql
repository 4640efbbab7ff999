-- Campaigns after a change of the guideline, edge cases that reviewers raise, and the labels that were final before.

CREATE TABLE campaigns (
    campaign_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project           text COLLATE "C" NOT NULL REFERENCES projects ON DELETE CASCADE,
    guideline_version integer NOT NULL,
    mode              text NOT NULL CHECK (mode IN ('relabel', 're-review')),
    selection         jsonb NOT NULL,
    state             text NOT NULL DEFAULT 'planning'
                      CHECK (state IN ('planning', 'planned', 'running', 'paused', 'done', 'cancelled', 'failed')),
    created_by        text NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    started_at        timestamptz,
    ended_at          timestamptz,
    estimate          jsonb,
    problem           text NOT NULL DEFAULT '',
    looked_at         bigint NOT NULL DEFAULT 0,
    for_people        bigint NOT NULL DEFAULT 0,
    waiting           bigint NOT NULL DEFAULT 0,
    sent              bigint NOT NULL DEFAULT 0,
    asked             bigint NOT NULL DEFAULT 0,
    labelled          bigint NOT NULL DEFAULT 0,
    given_up          bigint NOT NULL DEFAULT 0
);
CREATE INDEX campaigns_by_project ON campaigns (project, campaign_id);
CREATE UNIQUE INDEX campaigns_one_open ON campaigns (project)
    WHERE state IN ('planning', 'planned', 'running', 'paused');
CREATE INDEX campaigns_at_work ON campaigns (campaign_id) WHERE state IN ('planning', 'running');
COMMENT ON COLUMN campaigns.waiting IS 'Items in that state now; with the four that follow it adds up to all that are affected.';
COMMENT ON COLUMN campaigns.for_people IS 'Of all affected, those that people decide and no machine.';
COMMENT ON COLUMN campaigns.looked_at IS 'Final labels that the plan was chosen from.';

CREATE TABLE campaign_items (
    campaign_id bigint NOT NULL,
    item_id     text COLLATE "C" NOT NULL,
    place       double precision NOT NULL,
    people      boolean NOT NULL,
    state       text NOT NULL DEFAULT 'waiting'
                CHECK (state IN ('waiting', 'sent', 'asked', 'labelled', 'given_up')),
    tries       smallint NOT NULL DEFAULT 0,
    sent_at     timestamptz,
    PRIMARY KEY (campaign_id, item_id)
) WITH (fillfactor = 80);
CREATE INDEX campaign_items_in_order ON campaign_items (campaign_id, state, people, place, item_id);
COMMENT ON TABLE campaign_items IS 'What a campaign affects, fixed when it is planned. Written at its own pace, never at ingestion''s.';
COMMENT ON COLUMN campaign_items.place IS 'The lowest goes first: 0 lies on the boundary that moved.';

CREATE TABLE edge_cases (
    edge_case_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project           text COLLATE "C" NOT NULL REFERENCES projects ON DELETE CASCADE,
    item_id           text COLLATE "C" NOT NULL,
    task_id           bigint NOT NULL,
    guideline_version integer NOT NULL,
    raised_by         text COLLATE "C" NOT NULL,
    raised_at         timestamptz NOT NULL DEFAULT now(),
    question          text NOT NULL,
    label             text,
    state             text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'accepted', 'published', 'closed')),
    answer            text NOT NULL DEFAULT '',
    answered_by       text,
    answered_at       timestamptz,
    example_label     text,
    published_in      integer,
    UNIQUE (task_id, raised_by)
);
CREATE INDEX edge_cases_by_state ON edge_cases (project, state, edge_case_id);
CREATE INDEX edge_cases_by_person ON edge_cases (project, raised_by, edge_case_id);
COMMENT ON COLUMN edge_cases.label IS 'The label that the reviewer doubts; null if none was named.';
COMMENT ON COLUMN edge_cases.published_in IS 'The guideline that holds it as an example.';

CREATE TABLE label_history (
    project           text COLLATE "C" NOT NULL,
    item_id           text COLLATE "C" NOT NULL,
    history_id        bigint GENERATED ALWAYS AS IDENTITY,
    label             jsonb NOT NULL,
    source            text NOT NULL,
    confidence        double precision NOT NULL,
    guideline_version integer NOT NULL,
    release           integer NOT NULL,
    decided_at        bigint NOT NULL,
    routed_under      integer NOT NULL,
    replaced_at       bigint NOT NULL DEFAULT (extract(epoch FROM now()) * 1000)::bigint,
    PRIMARY KEY (project, item_id, history_id)
);
COMMENT ON TABLE label_history IS 'Labels that were final until another took their place.';

-- Whoever replaces a final label, and however: the one before is kept. New labels pay nothing for it. An undo brings
-- the earlier label back, and then the later one has never been final.
CREATE FUNCTION keep_final_label() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.decided_at < OLD.decided_at THEN
        DELETE FROM label_history
        WHERE project = NEW.project AND item_id = NEW.item_id AND decided_at = NEW.decided_at AND label = NEW.label;
        IF FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO label_history
        (project, item_id, label, source, confidence, guideline_version, release, decided_at, routed_under)
    VALUES (OLD.project, OLD.item_id, OLD.label, OLD.source, OLD.confidence, OLD.guideline_version, OLD.release,
            OLD.decided_at, OLD.routed_under);
    RETURN NULL;
END
$$;
CREATE TRIGGER final_labels_are_kept AFTER UPDATE ON final_labels
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION keep_final_label();
