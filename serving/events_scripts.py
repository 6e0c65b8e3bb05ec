"""The steps in Redis that take an event in, each whole or not at all: repetitions, caps, the buffer's bound, then the stream.

Keys and arguments of all: the stream, where a repetition is found; how many entries may wait, how long a repetition is known in ms
(0: not at all), kind and row of the event, what a repetition is told. A step's reply is one of the numbers below, or what was told
the first time.
"""

from __future__ import annotations

FULL, DONE, CAPPED, UNKNOWN = 0, 1, -1, -2
N_COMMON_KEYS, N_COMMON = 2, 5

_REPEATED = "if ARGV[2] ~= '0' then local told = redis.call('GET', KEYS[2]); if told then return told end end\n"
_ROOM = "if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end\n"
_APPEND = """
redis.call('XADD', KEYS[1], '*', ARGV[3], ARGV[4])
if ARGV[2] ~= '0' then redis.call('SET', KEYS[2], ARGV[5], 'PX', ARGV[2]) end
return 1
"""

# no more of its own
PLAIN = _REPEATED + _ROOM + _APPEND

# keys: the live session, what is there if the product is; arguments: now, product, how many products a session holds, its ms
VIEW = (
    "if redis.call('EXISTS', KEYS[4]) == 0 then return -2 end\n"
    + _REPEATED
    + _ROOM
    + """
redis.call('ZADD', KEYS[3], ARGV[6], ARGV[7])
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - ARGV[8])
redis.call('PEXPIRE', KEYS[3], ARGV[9])
"""
    + _APPEND
)

# key: shown to whom on that day; arguments: rule, its maxImpressions or 0, how long that day counts in ms
IMPRESSION = (
    _REPEATED
    + _ROOM
    + """
if ARGV[7] ~= '0' then
    if tonumber(redis.call('HGET', KEYS[3], ARGV[6]) or '0') >= tonumber(ARGV[7]) then return -1 end
    redis.call('HINCRBY', KEYS[3], ARGV[6], 1)
    redis.call('PEXPIRE', KEYS[3], ARGV[8])
end
"""
    + _APPEND
)

# Of accepting and declining the last one said is known, so that only the same said again is a repetition.
_SAID = "if redis.call('GET', KEYS[2]) == ARGV[5] then return ARGV[5] end\n" + _ROOM

# keys: ids of the rule's accepted impressions, what whom has declined; arguments: impression, rule, its maxAcceptances or 0
ACCEPT = (
    _SAID
    + """
if ARGV[8] ~= '0' and redis.call('SISMEMBER', KEYS[3], ARGV[6]) == 0 then
    if redis.call('SCARD', KEYS[3]) >= tonumber(ARGV[8]) then return -1 end
    redis.call('SADD', KEYS[3], ARGV[6])
end
redis.call('HDEL', KEYS[4], ARGV[7])
"""
    + _APPEND
)

# key: what whom has declined; arguments: rule, now, ms of the cool-down or 0
DECLINE = (
    _SAID
    + """
if ARGV[8] ~= '0' then
    redis.call('HSET', KEYS[3], ARGV[6], ARGV[7])
    redis.call('PEXPIRE', KEYS[3], ARGV[8])
end
"""
    + _APPEND
)
