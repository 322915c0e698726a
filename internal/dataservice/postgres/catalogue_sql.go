package postgres

// userRelation keeps pg_class c with pg_namespace n to what users made: not the system's, not an extension's, and not the
// restore's own schema.
const userRelation = `
	n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND n.nspname <> 'tranship'
	AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
		WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid AND e.deptype = 'e')`

// All queries name every function and table in full, as search_path is empty, and sort bytewise, so that the order does
// not depend on the database's collation.
const (
	selectSettings = `
SELECT pg_catalog.pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, pg_catalog.to_jsonb(d) ->> 'datlocprovider',
	coalesce(pg_catalog.to_jsonb(d) ->> 'datlocale', pg_catalog.to_jsonb(d) ->> 'daticulocale')
FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()`

	selectRelations = `
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relispartition, rn.nspname, rc.relname, c.reltuples::float8,
	CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_relation_size(c.oid) ELSE 0 END,
	CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_table_size(c.oid) ELSE 0 END,
	CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END, c.relispopulated
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_class rc ON c.relispartition AND rc.oid = pg_catalog.pg_partition_root(c.oid)
LEFT JOIN pg_catalog.pg_namespace rn ON rn.oid = rc.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't' AND` + userRelation + `
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"`

	// Columns within expressions are those that cannot be dropped without their table.
	// Every table of a hierarchy takes part: a partition that is partitioned again has a key of its own.
	selectPartitionKeys = `
SELECT p.partrelid, (SELECT pg_catalog.array_agg(a.attname::text ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
		WHERE a.attrelid = p.partrelid AND (a.attnum = ANY (p.partattrs::int2[]) OR EXISTS (SELECT FROM pg_catalog.pg_depend d
			WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = p.partrelid AND d.objsubid = a.attnum
			AND d.refclassid = d.classid AND d.refobjid = p.partrelid AND d.refobjsubid = 0 AND d.deptype = 'i')))
FROM pg_catalog.pg_partitioned_table p
JOIN pg_catalog.pg_class c ON c.oid = p.partrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't' AND` + userRelation + `
ORDER BY p.partrelid`

	// The base type of a domain is found by following it to its end; the length is that of the last domain that has one.
	selectColumns = `
WITH RECURSIVE base(oid, at, typmod, strict) AS (
	SELECT t.oid, t.oid, -1, false FROM pg_catalog.pg_type t
	UNION ALL
	SELECT b.oid, t.typbasetype, CASE WHEN b.typmod >= 0 THEN b.typmod ELSE t.typtypmod END, b.strict OR t.typnotnull
	FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.at WHERE t.typtype = 'd'
), resolved AS (
	SELECT b.oid, t.oid AS base, t.typname, b.typmod, b.strict FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.at WHERE t.typtype <> 'd'
)
SELECT a.attrelid, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), r.typname,
	CASE WHEN r.typname IN ('varchar', 'bpchar') AND greatest(a.atttypmod, r.typmod) > 4 THEN greatest(a.atttypmod, r.typmod) - 4 ELSE 0 END,
	NOT a.attnotnull AND NOT r.strict, a.attgenerated <> '', a.attidentity <> '',
	coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), ''),
	CASE WHEN a.attcollation <> t.typcollation THEN cn.nspname END, co.collname,
	(SELECT pg_catalog.array_agg(l.enumlabel::text ORDER BY l.enumsortorder) FROM pg_catalog.pg_enum l WHERE l.enumtypid = r.base)
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN resolved r ON r.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_collation co ON co.oid = a.attcollation
LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't' AND` + userRelation + `
ORDER BY a.attrelid, a.attnum`

	selectIndexes = `
SELECT i.indrelid, x.relname, i.indisunique, i.indisprimary, pg_catalog.pg_get_indexdef(i.indexrelid),
	CASE WHEN 0 = ANY (i.indkey::int2[]) THEN NULL ELSE
		(SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.n) FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, n)
		JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.n <= i.indnkeyatts) END
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND` + userRelation + `
ORDER BY i.indrelid, x.relname COLLATE "C"`

	// Foreign keys that a partition has from its root are left out: their names are chosen anew on every restore.
	selectConstraints = `
SELECT o.conrelid, o.conname, o.contype, pg_catalog.pg_get_constraintdef(o.oid),
	(SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.n) FROM pg_catalog.unnest(o.conkey) WITH ORDINALITY AS k(attnum, n)
		JOIN pg_catalog.pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = k.attnum),
	fn.nspname, fc.relname,
	(SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.n) FROM pg_catalog.unnest(o.confkey) WITH ORDINALITY AS k(attnum, n)
		JOIN pg_catalog.pg_attribute a ON a.attrelid = o.confrelid AND a.attnum = k.attnum)
FROM pg_catalog.pg_constraint o
JOIN pg_catalog.pg_class c ON c.oid = o.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_class fc ON fc.oid = o.confrelid
LEFT JOIN pg_catalog.pg_namespace fn ON fn.oid = fc.relnamespace
WHERE o.contype IN ('p', 'u', 'f', 'c', 'x') AND NOT (o.contype = 'f' AND o.conparentid <> 0) AND c.relpersistence <> 't' AND` + userRelation + `
ORDER BY o.conrelid, o.conname COLLATE "C"`

	selectSequences = `
SELECT n.nspname, c.relname, pg_catalog.format_type(s.seqtypid, NULL), tn.nspname, tc.relname, a.attname
FROM pg_catalog.pg_sequence s
JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
	AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
LEFT JOIN pg_catalog.pg_class tc ON tc.oid = d.refobjid
LEFT JOIN pg_catalog.pg_namespace tn ON tn.oid = tc.relnamespace
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE c.relpersistence <> 't' AND` + userRelation + `
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"`

	// selectLeaves lists the tables that hold rows, for locking.
	selectLeaves = `
SELECT c.oid, n.nspname, c.relname
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND` + userRelation + `
ORDER BY c.oid`

	// selectUnsupported lists what a capture leaves out.
	selectUnsupported = `
SELECT 'large objects', 'large objects are not captured' WHERE EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata)
UNION ALL
SELECT pg_catalog.quote_ident(m.srvname), 'user mappings of foreign servers belong to roles and hold passwords: they are not restored' FROM pg_catalog.pg_user_mappings m GROUP BY m.srvname
UNION ALL
SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), 'rows of an extension''s table are not captured'
FROM pg_catalog.pg_extension x, pg_catalog.unnest(x.extconfig) AS k(oid)
JOIN pg_catalog.pg_class c ON c.oid = k.oid AND c.relkind = 'r' JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
ORDER BY 1`
)
