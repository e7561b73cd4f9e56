"""What users have used of their tiers' tokens and money, and what is set aside for runs that have not ended."""

import sqlalchemy as sa
from alembic import op

revision = "c9e5f701b323"
down_revision = "e4f1b2c3d5a7"
branch_labels = None
depends_on = None

# Functions, for each statement in one sees what was committed before it: a second claim of a user waits for the first one's lock, and
# then counts what that has set aside. A statement of its own would count what it saw before it waited.
#
# The counters are made from the ledger at a user's first turn of each day, and added to from then on.
_NOW = """
CREATE FUNCTION quota_now(whose uuid) RETURNS quota LANGUAGE plpgsql AS $$
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
    month timestamptz := date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    midnight timestamptz := date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    kept quota;
BEGIN
    SELECT * INTO kept FROM quota WHERE user_id = whose FOR UPDATE;
    IF kept.day = today THEN
        RETURN kept;
    END IF;
    INSERT INTO quota (user_id, day) VALUES (whose, '-infinity') ON CONFLICT DO NOTHING;
    PERFORM FROM quota WHERE user_id = whose FOR UPDATE;
    UPDATE quota SET day = today, day_told = 0,
           month_told = CASE WHEN quota.day >= (month AT TIME ZONE 'UTC')::date THEN month_told ELSE 0 END,
           (day_tokens, day_usd, month_tokens, month_usd) = (
               SELECT coalesce(sum(input_tokens + output_tokens) FILTER (WHERE created_at >= midnight), 0),
                      coalesce(sum(cost_usd) FILTER (WHERE created_at >= midnight), 0),
                      coalesce(sum(input_tokens + output_tokens), 0), coalesce(sum(cost_usd), 0)
                 FROM model_call WHERE model_call.user_id = whose AND created_at >= month AND created_at < midnight + interval '1 day')
     WHERE user_id = whose AND quota.day <> today;
    SELECT * INTO kept FROM quota WHERE user_id = whose;
    RETURN kept;
END $$
"""
# `wanted` is the tier's limits (runs, tokens by day and month, dollars by day and month), then tokens, dollars, and dollars for each
# token that the conversation is likely to bring along.
_RESERVE = """
CREATE FUNCTION quota_reserve(whose uuid, after uuid, wanted numeric[]) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    kept quota := quota_now(whose);
    live record;
    past bigint;
BEGIN
    SELECT count(*) AS runs, coalesce(sum(reserved_tokens), 0) AS tokens, coalesce(sum(reserved_usd), 0) AS usd INTO live
      FROM run WHERE user_id = whose AND status IN ('queued', 'running');
    SELECT input_tokens + output_tokens INTO past FROM run WHERE id = after;
    RETURN jsonb_build_object(
        'over', CASE WHEN live.runs >= wanted[1] THEN 'concurrent_runs'
                     WHEN kept.month_tokens + live.tokens >= wanted[3] THEN 'tokens_per_month'
                     WHEN kept.month_usd + live.usd >= wanted[5] THEN 'cost_per_month_usd'
                     WHEN kept.day_tokens + live.tokens >= wanted[2] THEN 'tokens_per_day'
                     WHEN kept.day_usd + live.usd >= wanted[4] THEN 'cost_per_day_usd' END,
        'tokens', wanted[6] + coalesce(past, 0), 'usd', wanted[7] + coalesce(past, 0) * wanted[8],
        'day_tokens', kept.day_tokens, 'day_usd', kept.day_usd, 'day_told', kept.day_told,
        'month_tokens', kept.month_tokens, 'month_usd', kept.month_usd, 'month_told', kept.month_told,
        'held_tokens', live.tokens, 'held_usd', live.usd, 'runs', live.runs);
END $$
"""
# Of a user who has no counters none are made: the ledger has what they are made from.
_SPEND = """
CREATE FUNCTION quota_spend(whose uuid, moments timestamptz[], tokens bigint[], usd numeric[], told integer[]) RETURNS void
LANGUAGE sql AS $$
UPDATE quota SET
    day_tokens = day_tokens + (SELECT coalesce(sum(t), 0) FROM unnest(moments, tokens) AS one (m, t)
                                WHERE (m AT TIME ZONE 'UTC')::date = day),
    day_usd = day_usd + (SELECT coalesce(sum(u), 0) FROM unnest(moments, usd) AS one (m, u) WHERE (m AT TIME ZONE 'UTC')::date = day),
    month_tokens = month_tokens + (SELECT coalesce(sum(t), 0) FROM unnest(moments, tokens) AS one (m, t)
                                    WHERE (m AT TIME ZONE 'UTC')::date BETWEEN date_trunc('month', day)::date AND day),
    month_usd = month_usd + (SELECT coalesce(sum(u), 0) FROM unnest(moments, usd) AS one (m, u)
                              WHERE (m AT TIME ZONE 'UTC')::date BETWEEN date_trunc('month', day)::date AND day),
    day_told = greatest(day_told, told[1]), month_told = greatest(month_told, told[2])
 WHERE user_id = whose
$$
"""


def upgrade() -> None:
    op.create_table(
        "quota",
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("user.id", ondelete="CASCADE"), primary_key=True, comment="Whose counters these are"),
        sa.Column("day", sa.Date(), nullable=False, comment="The day (UTC) of the last turn, and its month"),
        sa.Column("day_tokens", sa.BigInteger(), nullable=False, server_default="0", comment="Tokens of that day's calls of models"),
        sa.Column("day_usd", sa.Numeric(), nullable=False, server_default="0", comment="What they cost, as far as that is known"),
        sa.Column("day_told", sa.SmallInteger(), nullable=False, server_default="0", comment="Percent of the day's quota last told of"),
        sa.Column("month_tokens", sa.BigInteger(), nullable=False, server_default="0", comment="Tokens of the month's calls"),
        sa.Column("month_usd", sa.Numeric(), nullable=False, server_default="0", comment="What they cost, as far as that is known"),
        sa.Column("month_told", sa.SmallInteger(), nullable=False, server_default="0", comment="Percent of the month's quota last told of"),
        comment="What users have used of their tiers' quotas; nobody is here whose tier has none",
    )
    reserved = "{} set aside for it until it ends; none where the user's tier counts nothing"
    op.add_column("run", sa.Column("reserved_tokens", sa.BigInteger(), comment=reserved.format("Tokens")))
    op.add_column("run", sa.Column("reserved_usd", sa.Numeric(), comment=reserved.format("Dollars")))
    op.create_index("run_live_user", "run", ["user_id"], postgresql_where=sa.text("status IN ('queued', 'running')"))
    for function in (_NOW, _RESERVE, _SPEND):
        op.execute(function)


def downgrade() -> None:
    op.execute("DROP FUNCTION quota_spend; DROP FUNCTION quota_reserve; DROP FUNCTION quota_now")
    op.drop_index("run_live_user", table_name="run")
    for column in ("reserved_usd", "reserved_tokens"):
        op.drop_column("run", column)
    op.drop_table("quota")
