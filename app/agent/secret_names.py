"""What passwords and their like are called: a sentence that has one of these is not remembered, whatever else it says."""

import re
from collections.abc import Sequence
from typing import Final

# Where a word must begin. English first, with the ways people write around it.
_WORDS: Final[Sequence[str]] = (
    r"p[a4@]s{2}[ _-]?(?:w[o0]r[dt]|phrase|key|code)|passwd|pwd?\b|(?:the|my|our|wi-?fi) pass\s*(?:\b(?:is|was)\b|[:=])",
    r"pin(?:s\b|[ -]?(?:code|number)s?\b|\b)|cv[vc]2?\b|secrets?\b|credentials?\b|log-?in\b|(?:seed|recovery) phrase|tokens?\b",
    r"(?:master|api|access|private|secret|licen[cs]e|recovery|encryption|auth|signing|ssh)[ _-]?(?:key|code)s?\b",
    r"(?:security|one[ -]?time|verification|confirmation|activation|backup|unlock|2fa|otp|door|gate|alarm|entry|safe|lock)[ _-]?codes?\b",
    r"codes? (?:of|for|to|on|at) (?:my|the|our)\b|codes?\b(?=[^.!?\n]*\d{3})|otp\b",
    r"ssn\b|social security (?:no\b|number)|iban\b|passport (?:no\b|number)|(?:credit|debit|bank)[ -]?card[ -]?(?:no\b|number)|card number",
    r"pass(?:w[oö]rt|wörter|ord)|kennw[oö]rt|geheimzahl|zugangsdaten|zugangscode",  # German, Danish, Norwegian
    r"lösenord|losenord|adgangskode|kodeord",  # Swedish, Danish
    r"wachtwoord|toegangscode|pincode|lykilorð",  # Dutch, Afrikaans, Icelandic
    r"mots? de passe|code secret|code d.acc[eè]s|mdp\b",  # French
    r"contrase[ñn]|clave|palavras?[ -](?:passe|chave)|senhas?\b|parola d.ordine|codice segreto",  # Spanish, Catalan, Portuguese, Italian
    r"parol(?!e\b|es\b)|parool|slaptažod|slaptazod",  # Romanian, Turkish, Azerbaijani, Latvian, Uzbek; Estonian; Lithuanian
    r"salasan|salasõna|tunnusluku|jelsz[oó]",  # Finnish, Estonian, Hungarian
    r"ha[sś][łl][oaeu]|heslo|hesla|hesle|heslá|gesl[oa]|lozink|zapork",  # Polish, Czech, Slovak, Slovene, Croatian
    r"[şs][iİı]fr[eəa]|gizli kod",  # noqa: RUF001  # Turkish, Azerbaijani
    r"fjal[ëe]kalim|pasahitz|cyfrinair|pasfhocal|pasvort",  # Albanian, Basque, Welsh, Irish, Esperanto
    r"m[ậa]t kh[ẩa]u|kata (?:sandi|laluan)|nenosiri|neno la siri|wagwoord",  # Vietnamese, Indonesian, Malay, Swahili, Afrikaans
    r"парол|пін-?код|пин-?код|код доступа|лозинк|шифр",  # Russian, Ukrainian, Bulgarian, Serbian
    r"κωδικ|συνθηματικ|գաղտնաբառ|პაროლ",  # Greek, Armenian, Georgian
)
# Where words have no spaces between them, or others grow onto their beginnings.
_PARTS: Final[Sequence[str]] = (
    r"密码|密碼|口令|暗証番号|暗号|パスワード|パスコード|비밀번호|암호|패스워드",
    r"كلم[ةه] (?:ال)?(?:سر|مرور)|الرقم السري|باسورد|پسورد|رمز|گذرواژه|پاس ?ورڈ|סיסמ",  # Arabic, Persian, Urdu, Hebrew
    r"पासवर्ड|कूटशब्द|गुप्त ?कोड|পাসওয়ার্ড|পাসওয়ার্ড|ਪਾਸਵਰਡ|પાસવર્ડ|கடவுச்சொல்|పాస్.?వర్డ్|ಪಾಸ್.?ವರ್ಡ್|പാസ്.?വേഡ്",  # languages of India
    r"รหัสผ่าน|ລະຫັດຜ່ານ|ពាក្យសម្ងាត់|စကားဝှက်",  # Thai, Lao, Khmer, Burmese
)

NAMED: Final = re.compile(rf"(?<!\w)(?:{'|'.join(_WORDS)})|{'|'.join(_PARTS)}", re.IGNORECASE)
