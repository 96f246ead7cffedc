"""How mail clients mark what the sender did not write: attributions, header blocks, separators, signatures.

English, Polish, Arabic, German, French, Spanish; as Gmail, Outlook, Apple Mail, Thunderbird and phones write them.
Every pattern is matched against one short line (`MAX_MARK`), so none can be slow.
"""

import re

MAX_MARK = 400  # characters: no client writes a longer attribution

# "… wrote:" and kin, at the end of the line or before a name that the colon follows.
WROTE = re.compile(
    r"\b(?:wrote|writes|said|schrieb|geschrieben|pisze|napisał(?:\(a\)|a|/a|\(-a\))?|napisano|a\s+écrit|écrit"
    r"|escribió|ha\s+escrito)\b"
    r"|(?:كتبت|كتبها|كتب|كتابة)",
    re.IGNORECASE,
)
STARTS_ATTRIBUTION = re.compile(
    r"[\s*_]{0,9}(?:On|Am|Le|El|W\s+dniu|Dnia|Dn\.|Wiadomość\s+napisana\s+przez|Message\s+from|في|بتاريخ|يوم"
    r"|(?:pon|wt|śr|czw|pt|sob|niedz)\.,)\s",
    re.IGNORECASE,
)
WRITTEN_BY = re.compile(r"Wiadomość\s+napisana\s+przez\s.{1,200}\sw\s+dniu\s", re.IGNORECASE)
HAS_DATE_OR_ADDRESS = re.compile(r"[\d@]")

ORIGINAL_MESSAGE = re.compile(
    r"\W{0,4}[-_=–—]{2,}\s*(?:Original\s+(?:Message|Appointment)"
    r"|Ursprüngliche\s+(?:Nachricht|Mail)|Original-?\s?Nachricht|Originalnachricht"
    r"|Wiadomość\s+oryginalna|Oryginalna\s+wiadomość|Pierwotna\s+wiadomość|Message\s+d['’]origine"
    r"|Message\s+original|Mensaje\s+original"
    r"|(?:ال)?رسالة\s+(?:ال)?[أا]صلية|Reply\s+message)\s*[-_=–—]{2,}",
    re.IGNORECASE,
)
FORWARDED = re.compile(
    r"(?:[-_=–—]{2,}\s*(?:Forwarded\s+(?:message|mail|by)|Weitergeleitete\s+Nachricht|Wiadomość\s+przekazana"
    r"|Przekazana\s+wiadomość"
    r"|Treść\s+przekazanej\s+wiadomości|Message\s+transféré|Mensaje\s+reenviado|Mensagem\s+encaminhada"
    r"|(?:ال)?رسالة\s+(?:ال)?(?:معاد|محول|مُعاد)|رسالة\s+(?:تمت\s+)?إعادة)"
    r"|(?:Begin\s+forwarded\s+message|Anfang\s+der\s+weitergeleiteten\s+(?:Nachricht|E-?Mail)"
    r"|Początek\s+przekazywanej\s+wiadomości"
    r"|Początek\s+przekazanej\s+wiadomości|Début\s+du\s+message\s+(?:transféré|réexpédié)"
    r"|Inicio\s+del\s+mensaje\s+reenviado"
    r"|(?:بداية|بدء)\s+الرسالة\s+(?:المعاد|المُعاد|المحول))[^\n]{0,40}:)",
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
    "cc": ("cc", "kopie", "dw", "copie", "نسخة", "نسخة إلى"),
    "subject": ("subject", "betreff", "temat", "objet", "asunto", "الموضوع", "موضوع"),
}  # fmt: skip
HEADER_KEYS = {key: meaning for meaning, keys in _KEYS.items() for key in keys}

# A device or an app is named, or the line could be the message: "Sent from the warehouse yesterday".
_DEVICE = (
    r"(?:iPhone|iPad|Android|Samsung|Galaxy|BlackBerry|Huawei|Xiaomi|Windows|Outlook|Yahoo|Gmail|Proton|Apple|Mail\s"
    r"|mobile|phone|smartphone|smartfon|Smartphone|Handy|Mobiltelefon|telefon|téléphone|portable|appareil|tablet"
    r"|teléfono|móvil|celular|dispositivo|urządzeni|aplikacj|program|Poczt|application|aplicación|Correo"
    r"|GMX|WEB\.DE|Telekom|الـ|جهاز|هاتف|تطبيق|آيفون|ايفون|جوال)"
)
_BEFORE_DEVICE = r"(?:my|the|mojego|mojej|meinem|meiner|der|einem|mon|ma|mi|un|l['’]|d['’]|de|la)"
MOBILE_SIGNATURE = re.compile(
    r"(?:"
    r"(?:Sent\s+(?:from|with|using|via)|Wysłan[eoay]\s+(?:z|ze|za\s+pomocą|przy\s+użyciu)"
    r"|Gesendet\s+(?:von|mit|aus)|Envoyé\s+(?:de|depuis|à\s+partir)|Enviado\s+(?:desde|con|por)"
    r"|(?:تم\s+الإرسال|تم\s+إرساله?ا?|[أا]ُ?رسلت?|مرسل[ةه]?)\s+من)\s+"
    rf"(?:{_BEFORE_DEVICE}\s*){{0,3}}{_DEVICE}"
    rf"|Von\s+meine[mr]\s+.{{0,20}}{_DEVICE}.{{0,20}}\sgesendet"
    r"|(?:Get|Pobierz|Obtenir|Télécharger|Obtener|Obtenga|Holen\s+Sie\s+sich|احصل\s+على|الحصول\s+على)\s+"
    r"(?:aplikację\s+)?(?:Outlook|BlueMail)"
    r"|Outlook\s+für\s+(?:iOS|Android)\s+beziehen"
    r")",
    re.IGNORECASE,
)
