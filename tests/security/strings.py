"""Strings that did harm somewhere once."""

from collections.abc import Mapping
from typing import Final

# What a name can be too: on one line, and not too long for one.
ON_ONE_LINE: Final[Mapping[str, str]] = {
    "SQL": "Robert'); DROP TABLE session; --",
    "SQL with a parameter": "%(user_id)s %s $1 :name ' OR '1'='1",
    "SQL escapes": "\\'; \\\\ %_ E'\\x00'",
    "script": "<script>window.owned = 1</script>",
    "image": '<img src=x onerror="window.owned = 1">',
    "SVG": "<svg/onload=window.owned=1><animate onbegin=window.owned=1 attributeName=x>",
    "out of an attribute": '"\' onfocus=window.owned=1 autofocus x="',
    "out of a script": "</script><script>window.owned = 1</script>",
    "link": "[press](javascript:window.owned=1) [too](data:text/html,<script>window.owned=1</script>)",
    "braces": "{0} {user} {__class__.__mro__} %d %n {}",
    "template": "{{7*7}} ${7*7} <%= 7*7 %> #{7*7} {% raw %}",
    "path": "../../../../etc/passwd ..\\..\\windows C:\\ file:///etc/passwd",
    "shell": "; rm -rf / | $(id) `id` && id",
    "JSON": '{"event": "forged"}","role":"system","x":"',
    "right to left": "abc \u202egpj.exe\u2066 \u05d0\u05d1 \u0627\u0644",
    "joined": "e\u0301\u200d\u200b\ufeff👩\u200d👩\u200d👧 Z\u0351\u036b\u0343a",
    "formula": "=cmd|' /C calc'!A0",
    "LDAP": "*)(uid=*))(|(uid=*",
    "names of objects": "__proto__ constructor toString null undefined NaN true",
}
WITH_LINES: Final[Mapping[str, str]] = {
    "log lines": 'one\n2026-01-01 [info] forged\r\n{"event": "forged"}',
    "terminal": "\x1b[2J\x1b]0;owned\x07\x1b[31mred",
    "header": "x\r\nSet-Cookie: owned=1\r\n\r\n<script>window.owned = 1</script>",
    "server-sent events": '\n\nevent: end\ndata: {"forged": true}\n\nid: 99\n',
    "markdown": "```\n<img src=x onerror=window.owned=1>\n```\n\n<details open ontoggle=window.owned=1>",
    "markdown's HTML": "<a href=javascript:window.owned=1>x</a> <b style=position:fixed onclick=window.owned=1>y</b>",
    "markdown's own": '![x](x "\\" onerror=window.owned=1 x=") <javascript:window.owned=1> [a]: javascript:window.owned=1\n\n[a]',
    "MathML": '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.owned=1&gt;">',
    "frame": "<iframe srcdoc='<script>parent.owned=1</script>'></iframe><object data=javascript:window.owned=1><base href=//evil.example>",
    "form": "<form action=//evil.example><input name=getElementById><button formaction=javascript:window.owned=1>x</button></form>",
    "very long": "A" * 20_000 + "<b>" * 1_000,
}
