"""A deterministic simulation of the core.

The code of intake, scorer, flusher, publisher, guard, changelog repair and recovery runs as it is, in workers that live in one
process and one virtual time, against a log and a Redis in memory. One whole number decides everything: events, latencies, the
order of steps, crashes, workers that stop and wake, what is lost on the way. `python -m tests.simulation --seed N` runs that
schedule again, step by step, and tells what happened.

    world      virtual time, event loops that are stepped one callback at a time, what happened
    log        topics of records; requests under way; compaction
    store      Redis: dictionaries
    lua        the real scripts, in a Lua of the same version
    client     connections to it: commands under way; what the oracle reads
    group      who has which partitions; what is committed
    consumer   fetches: ranges that get lost, or come again
    worker     one process: the agents, recovery, hand-over
    plan       what a seed chooses
    events     the events of a schedule
    definitions  what is defined meanwhile: campaigns, and who is forgotten
    forgetting where somebody forgotten is still named
    watch      what must hold at every moment
    rules      alert rules, and what they must say
    oracle     what must hold at the end
    rates      how busy actors are, recounted; the fault runner asks it, too
    schedule   runs one
    mutations  bugs that must be found

It can fail: `mutations` has bugs that it must find, each a few words of the workers' code changed. A Redis that was wiped
remembers no versions, so after a wipe a change may be told once more by who reads of it again: a worker that lost its partition,
or takes one over. That is not held against it; nor that nobody tells of a change that compaction took from the scores topic
before it was read.

Not simulated: Faust itself, aiokafka, and the transport between them and the agents; `consumer` and `group` behave as these were
found to (ranges dropped around a rebalance, `start` of a range as the transport tells it, eager rebalances, a bounded hand-over).
Idle time is scaled: what happens every minute in production happens every second here, and compaction spares as much less.
"""
