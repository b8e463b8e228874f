/* Finds rows of numbers in a text of JSON, lists of lists, and reads them into doubles: strictly (RFC 8259), correctly rounded,
 * nothing allocated.
 *
 * Rows that have been read are DONE, or the LAST ones of the text. What begins with a list and is not plainly rows is ODD,
 * whatever it is: the text's careful reader then says what and where.
 * Reading stops, to go on where it stopped, when the room is FULL, and at a LONG number: one of more digits than a word
 * holds, whose first ones do not decide between two neighbors. It is for the caller to read and to put into the last place.
 *
 * Nothing is read beyond the text. Its last byte is a closing bracket, which no number, blank or separator goes past, so that
 * the end is looked for behind brackets alone, and by whoever looks at several bytes at once. Needs a little-endian processor.
 */
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { DONE, LAST, FULL, LONG, ODD, NONE };

/* Where a reading is. `room` and `numbers` are the caller's to change between calls. */
typedef struct {
    const char *text;
    int64_t end;     /* of the text, behind its last closing bracket */
    int64_t at;      /* where to look for rows, and to go on; when DONE or LAST, behind them */
    int64_t begin;   /* the outer bracket of the rows at hand */
    int64_t token;   /* where the LONG number begins, which ends at `at` */
    double *numbers;
    int64_t room;    /* how many of them there may be, one at least */
    int64_t count;   /* how many there are */
    int64_t columns; /* of every row, once the first has ended */
    int64_t column;  /* how many the row at hand has */
    const uint64_t *powers;
} Reading;

/* Powers of five as 128 bits, the first of which is set: the high word, then the low one. */
enum { LEAST_POWER = -342, MOST_POWER = 308, MOST_DIGITS = 19 };

static const uint64_t INFINITE = (uint64_t)0x7FF << 52;

static inline int is_digit(char c) { return (uint8_t)(c - '0') <= 9; }

/* Eight bytes of the text, zeros standing for those beyond it. */
static inline uint64_t word_at(const char *p, const char *end) {
    uint64_t word = 0;
    if (__builtin_expect(end - p >= 8, 1)) memcpy(&word, p, 8);
    else memcpy(&word, p, (size_t)(end - p));
    return word;
}

/* The number that eight digits are, of their bytes less '0': neighbors become pairs, fours, and one. */
static inline uint64_t value_of(uint64_t digits) {
    digits = digits * 10 + (digits >> 8);
    digits = (digits & 0x00FF00FF00FF00FFu) * 100 + ((digits >> 16) & 0x00FF00FF00FF00FFu);
    return (uint16_t)digits * (uint64_t)10000 + (digits >> 32 & 0xFFFF);
}

/* Behind the digits at p, which are put behind those of `number`. */
static inline const char *take_digits(const char *p, const char *end, uint64_t *number) {
    static const uint64_t tens[8] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
#ifdef __SSE2__
    if (end - p >= 16) { /* the same, sixteen at once */
        const __m128i nines = _mm_set1_epi8(9), zero = _mm_setzero_si128();
        __m128i digits = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)p), _mm_set1_epi8('0'));
        if (_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(digits, nines), digits)) == 0xFFFF) {
            const __m128i by_10 = _mm_set1_epi32(10 | 1 << 16), by_100 = _mm_set1_epi32(100 | 1 << 16);
            __m128i front = _mm_madd_epi16(_mm_unpacklo_epi8(digits, zero), by_10);
            __m128i back = _mm_madd_epi16(_mm_unpackhi_epi8(digits, zero), by_10);
            __m128i fours = _mm_madd_epi16(_mm_packs_epi32(front, back), by_100);
            __m128i eights = _mm_madd_epi16(_mm_packs_epi32(fours, fours), _mm_set1_epi32(10000 | 1 << 16));
            uint64_t both = (uint64_t)_mm_cvtsi128_si64(eights);
            *number = *number * 10000000000000000u + (uint32_t)both * (uint64_t)100000000 + (both >> 32);
            p += 16;
        }
    }
#endif
    for (;;) {
        uint64_t less = word_at(p, end) ^ 0x3030303030303030u;
        /* A byte above 9 carries into those behind it alone, and it is the first one that counts. */
        uint64_t others = ((less + 0x7676767676767676u) | less) & 0x8080808080808080u;
        if (others) { /* what is in front of it is pushed to the end of the word, behind zeros */
            int count = __builtin_ctzll(others) >> 3;
            *number = *number * tens[count] + value_of(less << 8 << (56 - 8 * count));
            return p + count;
        }
        *number = *number * 100000000 + value_of(less);
        p += 8;
    }
}

/* The bits of the double nearest to number * 10^power, ties to even; INFINITE where there is none. By Eisel's and Lemire's
 * method ("Number parsing at a gigabyte per second", 2021), which 128 bits of the power of five suffice for (Mushtak and
 * Lemire, "Fast number parsing without fallback", 2023). */
static inline uint64_t nearest(uint64_t number, int64_t power, const uint64_t *powers) {
    if (number == 0) return 0;
    if ((uint64_t)(power - LEAST_POWER) > MOST_POWER - LEAST_POWER) return power < 0 ? 0 : INFINITE;
    const uint64_t *five = powers + 2 * (power - LEAST_POWER);
    int zeros = __builtin_clzll(number);
    number <<= zeros;
    unsigned __int128 product = (unsigned __int128)number * five[0];
    uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
    if (__builtin_expect((high & 0x1FF) == 0x1FF, 0)) { /* the bits that are kept could still change */
        uint64_t more = (uint64_t)(((unsigned __int128)number * five[1]) >> 64);
        low += more;
        high += low < more;
    }
    int top = (int)(high >> 63);
    uint64_t significand = high >> (top + 9); /* 54 bits: one more than a double has */
    /* That of 10^power is floor(power * log2(10)), for which 217706 / 2^16 is near enough here. */
    int64_t exponent = ((217706 * power) >> 16) + 63 + top - zeros + 1023;
    if (__builtin_expect(exponent <= 0, 0)) { /* less than the least normal number */
        if (exponent <= -63) return 0;
        significand >>= 1 - exponent;
        return (significand + (significand & 1)) >> 1; /* which may be the least normal number */
    }
    /* Half way between two, which only small powers can be: the product has then no bits beyond. */
    if (__builtin_expect(low <= 1, 0) && power >= -4 && power <= 23 && (significand & 3) == 1 &&
        significand << (top + 9) == high)
        significand--;
    significand = (significand + (significand & 1)) >> 1;
    /* Its first bit counts one in the exponent, and so does a carry out of all of them. */
    uint64_t bits = ((uint64_t)(exponent - 1) << 52) + significand;
    return bits < INFINITE ? bits : INFINITE;
}

/* As `nearest`, of a number of any length whose digits and point are from p to end, and whose last digit counts 10^power.
 * Returns 0 where the first digits do not decide. */
static int long_nearest(const char *p, const char *end, int64_t power, const uint64_t *powers, uint64_t *bits) {
    uint64_t number = 0;
    int taken = 0;
    int64_t left = 0;
    for (; p < end; p++) {
        if (*p == '.' || (taken == 0 && *p == '0')) continue;
        if (taken < MOST_DIGITS) number = number * 10 + (uint64_t)(*p - '0'), taken++;
        else left++;
    }
    *bits = nearest(number, power + left, powers);
    return left == 0 || *bits == nearest(number + 1, power + left, powers);
}

/* Behind an exponent, without its letter, or NULL where there is none; what is beyond all bounds stays there. */
static const char *take_exponent(const char *p, int64_t *exponent) {
    char sign = *p;
    if (sign == '-' || sign == '+') p++;
    if (!is_digit(*p)) return NULL;
    int64_t value = 0;
    for (; is_digit(*p); p++)
        if (value < (int64_t)1 << 40) value = value * 10 + (*p - '0');
    *exponent = sign == '-' ? -value : value;
    return p;
}

/* Behind the number at p, or NULL where there is none. */
static inline const char *take_number(const char *p, const char *end, const uint64_t *powers, double *to, int *is_long) {
    uint64_t sign = *p == '-', number, bits;
    const char *digits = p += sign;
    if (!is_digit(*p)) return NULL;
    number = (uint64_t)(*p++ - '0');
    if (is_digit(*p)) {
        if (number == 0) return NULL;
        p = take_digits(p, end, &number);
    }
    int64_t count = p - digits, power = 0;
    if (*p == '.') {
        const char *fraction = ++p;
        p = take_digits(fraction, end, &number);
        power = fraction - p;
        if (power == 0) return NULL;
        count -= power;
    } else if (number == 0 && count == 1 && (*p | 0x20) != 'e') {
        sign = 0; /* an integer is not negative zero */
    }
    const char *last = p;
    if ((*p | 0x20) == 'e') {
        int64_t exponent;
        p = take_exponent(p + 1, &exponent);
        if (p == NULL) return NULL;
        power += exponent;
    }
    if (__builtin_expect(count <= MOST_DIGITS, 1)) bits = nearest(number, power, powers);
    else *is_long = !long_nearest(digits, last, power, powers, &bits);
    if (bits == INFINITE && !*is_long) return NULL;
    bits |= sign << 63;
    memcpy(to, &bits, 8);
    return p;
}

static inline const char *skip_blanks(const char *p) {
    while ((uint8_t)*p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

/* Behind an opening bracket at p and the blanks that follow it, or NULL where there is none. */
static inline const char *take_bracket(const char *p) { return *p == '[' ? skip_blanks(p + 1) : NULL; }

/* The next list that begins with a list, outside of strings (of a text without escapes), or NULL. */
static const char *next_list(const char *p, const char *end) {
    for (int inside = 0; p < end; p++) {
        if (*p == '"') inside = !inside;
        else if (*p == '[' && !inside && *skip_blanks(p + 1) == '[') return p;
    }
    return NULL;
}

/* Reads on from p: at a number, where there is none yet, or else behind one. */
static int read_on(Reading *r, const char *p) {
    const char *text = r->text, *end = text + r->end, *token = p;
    const uint64_t *powers = r->powers;
    double *numbers = r->numbers;
    int64_t room = r->room, count = r->count, columns = r->columns, column = r->column;
    int is_long = 0;
    if (count == 0) goto number;
    while (count < room && !is_long) {
        if (*p == ',' && p[1] == ' ' && (uint8_t)p[2] > ' ') { /* as most writers write it */
            p += 2;
        } else if (*(p = skip_blanks(p)) == ',') {
            p = skip_blanks(p + 1);
        } else { /* the row has ended */
            if (*p++ != ']' || p == end || (columns && column != columns)) return ODD;
            columns = column, column = 0;
            p = skip_blanks(p);
            if (*p == ']') {
                r->at = ++p - text, r->count = count, r->columns = columns;
                return next_list(p, end) ? DONE : LAST;
            }
            if (*p != ',' || !(p = take_bracket(skip_blanks(p + 1)))) return ODD;
        }
    number:
        token = p;
        p = take_number(p, end, powers, numbers + count, &is_long);
        if (p == NULL) return ODD;
        count++, column++;
    }
    r->at = p - text, r->token = token - text, r->count = count, r->columns = columns, r->column = column;
    return is_long ? LONG : FULL;
}

/* Finds the next rows and reads them. */
int gradwire_next_rows(Reading *r) {
    const char *end = r->text + r->end;
    if (end[-1] != ']') return NONE;
    const char *p = next_list(r->text + r->at, end);
    if (p == NULL) return NONE;
    r->begin = p - r->text, r->count = r->columns = r->column = 0;
    return read_on(r, take_bracket(take_bracket(p)));
}

/* Goes on where reading stopped. */
int gradwire_more_rows(Reading *r) { return read_on(r, r->text + r->at); }
