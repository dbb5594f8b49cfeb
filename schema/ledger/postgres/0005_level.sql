-- Level 5: the level of the catalogue, up to which programs write event types. It only rises (CatalogueRaised says when).

ALTER TABLE chancery.head ADD COLUMN level integer NOT NULL DEFAULT 1;
