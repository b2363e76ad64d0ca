ALTER TABLE requests ADD COLUMN decided_at_ms INTEGER;
-- 1 where a decision granted something beyond the one call.
ALTER TABLE requests ADD COLUMN granted INTEGER NOT NULL DEFAULT 0;
UPDATE requests SET granted = 1 WHERE decision LIKE '%"updatedPermissions":[{%';
CREATE INDEX requests_granted ON requests (ordinal) WHERE granted = 1;
