#include "node/replicate.h"

static enum replicate_need need_of(
        const struct backend_key *ours, const struct backend_key *theirs, uint64_t before_ts)
{
	if (!ours)
		return REPLICATE_NOTHING;
	if (!theirs)
		return ours->deleted && ours->ts < before_ts ? REPLICATE_NOTHING : REPLICATE_WHOLE;
	if (ours->ts != theirs->ts || ours->deleted || theirs->deleted)
		return ours->ts > theirs->ts ? REPLICATE_WHOLE : REPLICATE_NOTHING;
	if (theirs->misplaced && ours->meta_ts >= theirs->meta_ts)
		return REPLICATE_WHOLE;
	return ours->meta_ts > theirs->meta_ts ? REPLICATE_METADATA : REPLICATE_NOTHING;
}

enum replicate_need replicate_need(
        const struct backend_key *ours, const struct backend_key *theirs, uint64_t before_ts)
{
	enum replicate_need need = need_of(ours, theirs, before_ts);

	return need && ours->corrupt ? REPLICATE_UNREADABLE : need;
}

bool replicate_differs(
        const struct backend_key *ours, const struct backend_key *theirs, uint64_t before_ts)
{
	const struct backend_key *one = ours ? ours : theirs;

	if (ours && theirs)
		return ours->ts != theirs->ts || ours->meta_ts != theirs->meta_ts ||
		       ours->deleted != theirs->deleted || ours->misplaced || theirs->misplaced;
	return one && !(one->deleted && one->ts < before_ts);
}

bool replicate_lacks(const struct backend_key *ours, const struct backend_key *theirs,
        uint64_t before_ts, uint64_t until_ts)
{
	/* What they cannot read nobody can bring. */
	if (!theirs || theirs->corrupt || !replicate_differs(ours, theirs, before_ts))
		return false;
	if (!ours || theirs->ts != ours->ts)
		return (!ours || theirs->ts > ours->ts) && theirs->ts < until_ts;
	bool lives = !ours->deleted && !theirs->deleted;
	return lives && theirs->meta_ts > ours->meta_ts && theirs->meta_ts < until_ts;
}
