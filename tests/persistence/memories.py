"""Memories as they are kept, for tests of what is done with them."""

from app.llm.embedding import Embedder
from app.llm.words_embedder import WordsEmbedder
from app.persistence.accounts import User
from app.persistence.database import Database, execute
from app.persistence.memory_search import vector_text

_REMEMBER = """
INSERT INTO memory (id, vector, payload)
SELECT gen_random_uuid(), new.vector::vector,
       jsonb_build_object('user_id', %(user_id)s::text, 'data', new.text) || CASE WHEN %(embedder)s::text IS NULL THEN '{}'
                                                                              ELSE jsonb_build_object('embedder', %(embedder)s::text) END
  FROM unnest(%(texts)s::text[], %(vectors)s::text[]) AS new (text, vector)
"""


async def remember(database: Database, user: User, *texts: str, embedder: Embedder | None = None) -> None:
    """Keep these as the user's memories; only those of a given `embedder` say whose their vectors are."""
    vectors = [*map(vector_text, await (embedder or WordsEmbedder()).embed(texts))]
    named = {"embedder": embedder.name if embedder else None}
    await execute(database.pool, _REMEMBER, {"user_id": user.id, "texts": [*texts], "vectors": vectors, **named})
