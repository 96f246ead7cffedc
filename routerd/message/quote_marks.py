"""How mail clients mark what the sender did not write: header blocks, titles between rules, signatures.

English, Polish, Arabic, German, French, Spanish; as Gmail, Outlook, Apple Mail, Thunderbird and phones write them.
Every pattern is matched against the beginning of one short line (`MAX_MARK`), so none can be slow.
"""

import re

MAX_MARK = 400  # characters: no client writes a longer line

# What stands between two rules of dashes, and what follows is the message that is answered.
TITLE_OF_ORIGINAL = re.compile(
    r"(?:Original\s(?:Message|Appointment)|Reply\smessage"
    r"|Wiadomość\soryginalna|Oryginalna\swiadomość|Pierwotna\swiadomość|Treść\soryginalnej\swiadomości"
    r"|Ursprüngliche\s(?:Nachricht|Mail)|Original-?\s?Nachricht"
    r"|Message\sd['’]origine|Message\soriginal|Mail\soriginal|Message\sinitial|Mensaje\soriginal"
    r"|(?:ال)?رسالة\s(?:ال)?[أا]صلي[ةّ])",
    re.IGNORECASE,
)
# The same, where it is a message that is forwarded.
TITLE_OF_FORWARDED = re.compile(
    r"(?:Forwarded\s(?:message|mail|by)"
    r"|Wiadomość\sprzekazana|Przekazana\swiadomość|Treść\sprzekazanej\swiadomości"
    r"|Weitergeleitete\s(?:Nachricht|Mail)|Message\stransféré|Mensaje\sreenviado|Mensagem\sencaminhada"
    r"|(?:ال)?رسالة\s(?:ال)?(?:معاد|مُعاد|محو|مُحو)|رسالة\s(?:تمت\s)?إعادة)",
    re.IGNORECASE,
)
# What Apple Mail writes above it, without rules and with a colon at the end.
INTRODUCES_FORWARDED = re.compile(
    r"(?:Begin\sforwarded\smessage|Początek\sprzeka(?:zywanej|zanej)\swiadomości"
    r"|Anfang\sder\sweitergeleiteten\s(?:Nachricht|E-?Mail)"
    r"|Début\sdu\smessage\s(?:transféré|réexpédié)|Inicio\sdel\smensaje\sreenviado"
    r"|(?:بداية|بدء)\sالرسالة\s(?:المعاد|المُعاد|المحول))",
    re.IGNORECASE,
)

# The keys of the header block that Outlook puts above what it quotes, by what they stand for.
_KEYS = {
    "from": ("from", "von", "od", "de", "من"),
    "date": (
        "sent", "date", "gesendet", "datum", "wysłano", "wysłane", "data", "envoyé", "fecha", "enviado", "enviado el",
        "تاريخ الإرسال", "التاريخ", "تم الإرسال", "أرسلت", "أُرسلت", "مرسل",
    ),
    "to": ("to", "an", "do", "à", "para", "إلى", "الى"),
    "subject": ("subject", "betreff", "temat", "objet", "asunto", "الموضوع", "موضوع"),
}  # fmt: skip
HEADER_KEYS = {key: meaning for meaning, keys in _KEYS.items() for key in keys}

# A device or an app is named, or the line could be the message: "Sent from the warehouse yesterday".
_BRAND = (
    r"\[?(?:iPhone|iPad|iPod|Android|Samsung|Galaxy|BlackBerry|Huawei|Xiaomi|Redmi|Honor|Pixel|HTC|Alcatel|Motorola|Nokia|Sony|Verizon"
    r"|T-Mobile|Windows|Outlook|Yahoo|Gmail|Proton|Apple|BlueMail|GMX|WEB\.DE|Telekom|آيفون|ايفون)"
)
_DEVICE = (
    r"(?:mobile|phone|cell\b|smartphone|smartfon|Handy|Mobiltelefon|Mobilgerät|telefon|téléphone|portable|appareil|tablet|teléfono|móvil"
    r"|celular|dispositivo|urządzeni|aplikacj|program|Poczt|application|aplicación|Mail\s|Correo"
    r"|الـ|جهاز|هاتف|تطبيق|جوال)[^,<]{0,40}(?:<|$)"  # and little more
)
_BEFORE = r"(?:my|the|mojego|mojej|systemu|meinem|meiner|der|einem|mon|ma|mi|un|l['’]|d['’]|de|la)"
MOBILE_SIGNATURE = re.compile(
    r"(?:"
    r"(?:Sent\s(?:from|with|using|via)|Wysłan[eoay]\s(?:z|ze|za\spomocą|przy\sużyciu)"
    r"|Gesendet\s(?:von|mit|aus)|Envoyé\s(?:de|depuis|avec|à\spartir)|Enviado\s(?:desde|con|por)"
    r"|(?:تم\s(?:الإرسال|إرساله?ا?)|[أا]ُ?رسلت?|مرسل[ةه]?)\sمن)\s"
    rf"(?:{_BEFORE}\s{{0,9}}){{0,3}}(?:{_BRAND}|{_DEVICE})"
    rf"|(?:Von|Diese\sNachricht\swurde)\b(?=.*\sgesendet\W{{0,3}}$).{{0,40}}(?:{_BRAND}|{_DEVICE})"
    r"|(?:Get|Pobierz|Obtenir|Télécharger|Obtener|Obtenga|Holen\sSie\ssich|احصل\sعلى|الحصول\sعلى)\s"
    r"(?:aplikację\s)?(?:Outlook|BlueMail)(?:\s(?:for|dla|für|pour|para|ل)|<|$)"
    r"|Outlook\sfür\s(?:iOS|Android)\sbeziehen"
    r"|Provenance\s?:\s(?:Courrier|Outlook)"
    r"|من\sالـ\s?iP"
    r")",
    re.IGNORECASE,
)
_STARTS_OF_MOBILE_SIGNATURE = "se wy ge en vo di po pr ob té ho ou تم من مر اح ال أر ار أُ اُ"
# The first two letters, in lower case, of signatures and header blocks: they tell most other lines from these.
STARTS = frozenset(_STARTS_OF_MOBILE_SIGNATURE.split()).union(
    key[:2] for key, meaning in HEADER_KEYS.items() if meaning != "to"
)
