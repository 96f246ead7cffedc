-- How conversations stand, and with which customer they are.

ALTER TABLE conversations ADD COLUMN customer TEXT;                          -- an address in lower case; NULL: with none
ALTER TABLE conversations ADD COLUMN labels_json TEXT NOT NULL DEFAULT '[]'; -- of all its messages
ALTER TABLE conversations ADD COLUMN messages INTEGER NOT NULL DEFAULT 1;
ALTER TABLE conversations ADD COLUMN state TEXT NOT NULL DEFAULT 'open';
ALTER TABLE conversations ADD COLUMN waiting_since INTEGER;                  -- the first message without an answer
ALTER TABLE conversations ADD COLUMN also_json TEXT NOT NULL DEFAULT '[]';   -- other inboxes, and who watches for each
ALTER TABLE conversations ADD COLUMN respond_by INTEGER;                     -- the earliest that was promised and is open

-- Whoever wrote first stands first among the participants. Whether he was answered nobody has noted: nobody waits.
UPDATE conversations SET customer = json_extract(participants_json, '$[0]') WHERE json_valid(participants_json);

UPDATE conversations SET messages = found.messages FROM (
  SELECT conversation, count(*) AS messages FROM messages WHERE twin_of IS NULL GROUP BY conversation
) AS found WHERE found.conversation = conversations.number;

UPDATE conversations SET labels_json = found.labels FROM (
  SELECT m.conversation, json_group_array(DISTINCT label.value) AS labels
  FROM messages AS m, json_each(iif(json_valid(m.plan_json), m.plan_json, '{}'), '$.labels') AS label
  GROUP BY m.conversation
) AS found WHERE found.conversation = conversations.number;

CREATE INDEX conversations_by_customer ON conversations (customer, last_at) WHERE customer IS NOT NULL;
