// math.glsl: exp, log, tanh, sine and cosine good to a few ulp on every driver, and the activations.
//
// Vulkan lets the built-in functions be off by tens of ulp (exp: 3 + 2|x|; tanh loses small x), so they are written
// out here: Cody-Waite reduction and the polynomials of Cephes' single precision library (Moshier).

bool is_nan(float x)
{
    return (floatBitsToUint(x) & 0x7fffffffu) > 0x7f800000u;
}

float two_to(int n) // n in [-126, 127]
{
    return uintBitsToFloat(uint(n + 127) << 23);
}

// e^r - 1 for |r| <= ln 2 / 2.
float expm1_reduced(float r)
{
    float p = 1.9875691500e-4;
    p = p * r + 1.3981999507e-3;
    p = p * r + 8.3334519073e-3;
    p = p * r + 4.1665795894e-2;
    p = p * r + 1.6666665459e-1;
    p = p * r + 5.0000001201e-1;
    return p * (r * r) + r;
}

float exp_accurate(float x)
{
    if (is_nan(x))
        return x;
    const float c = clamp(x, -104.0, 89.0);
    const float n = floor(c * 1.44269504088896341 + 0.5);
    precise const float r = (c - n * 0.693359375) + n * 2.12194440e-4;
    const float y = 1.0 + expm1_reduced(r);
    const int half_n = int(n) >> 1; // in two steps: n may lie outside the exponent's range
    return y * two_to(half_n) * two_to(int(n) - half_n);
}

// e^x - 1 without cancellation near 0.
float expm1_accurate(float x)
{
    if (abs(x) < 0.34)
        return expm1_reduced(x);
    return exp_accurate(x) - 1.0;
}

float log_accurate(float x)
{
    if (!(x > 0.0))
        return x == 0.0 ? uintBitsToFloat(0xff800000u) : uintBitsToFloat(0x7fc00000u);
    uint bits = floatBitsToUint(x);
    if (bits >= 0x7f800000u)
        return x;
    int e = 0;
    if (bits < 0x00800000u) { // subnormal
        bits = floatBitsToUint(x * 16777216.0);
        e = -24;
    }
    e += int(bits >> 23) - 126;
    float m = uintBitsToFloat((bits & 0x007fffffu) | 0x3f000000u); // [0.5, 1)
    if (m < 0.707106781186547524) {
        e -= 1;
        m = m + m - 1.0;
    } else {
        m = m - 1.0;
    }
    const float z = m * m;
    float y = 7.0376836292e-2;
    y = y * m - 1.1514610310e-1;
    y = y * m + 1.1676998740e-1;
    y = y * m - 1.2420140846e-1;
    y = y * m + 1.4249322787e-1;
    y = y * m - 1.6668057665e-1;
    y = y * m + 2.0000714765e-1;
    y = y * m - 2.4999993993e-1;
    y = y * m + 3.3333331174e-1;
    y *= m * z;
    const float n = float(e);
    y += n * -2.12194440e-4;
    y -= 0.5 * z;
    return (m + y) + n * 0.693359375;
}

float tanh_accurate(float x)
{
    const float a = abs(x);
    if (is_nan(x))
        return x;
    if (a < 0.625) {
        const float z = x * x;
        float p = -5.70498872745e-3;
        p = p * z + 2.06390887954e-2;
        p = p * z - 5.37397155531e-2;
        p = p * z + 1.33314422036e-1;
        p = p * z - 3.33332819422e-1;
        return p * z * x + x;
    }
    const float t = a > 10.0 ? 1.0 : 1.0 - 2.0 / (exp_accurate(a + a) + 1.0);
    return x < 0.0 ? -t : t;
}

// (cos, sin) of 2 pi u for u in [0, 1): reduced exactly to an eighth of a turn.
vec2 cos_sin_turn(float u)
{
    const float q = floor(u * 4.0 + 0.5); // nearest quarter
    const float r = (u - q * 0.25) * 6.28318530717958648;
    const float z = r * r;
    float s = -1.9515295891e-4;
    s = s * z + 8.3321608736e-3;
    s = s * z - 1.6666654611e-1;
    s = s * z * r + r;
    float c = 2.443315711809948e-5;
    c = c * z - 1.388731625493765e-3;
    c = c * z + 4.166664568298827e-2;
    c = c * z * z - 0.5 * z + 1.0;
    const uint quarter = uint(q) & 3u;
    if (quarter == 0u)
        return vec2(c, s);
    if (quarter == 1u)
        return vec2(-s, c);
    if (quarter == 2u)
        return vec2(-c, -s);
    return vec2(s, -c);
}

// auxo_activation, in the order of AUXO_ACTIVATION_TABLE.
#define SELU_LAMBDA 1.0507009873554805
#define SELU_LAMBDA_ALPHA 1.7580993408473766

float activate(uint kind, float x, float slope)
{
    switch (kind) {
    case ACTIVATION_RELU:
        return is_nan(x) || x > 0.0 ? x : 0.0;
    case ACTIVATION_LEAKY_RELU:
        return x > 0.0 ? x : slope * x;
    case ACTIVATION_ELU:
        return x > 0.0 ? x : slope * expm1_accurate(x);
    case ACTIVATION_SELU:
        return x > 0.0 ? SELU_LAMBDA * x : SELU_LAMBDA_ALPHA * expm1_accurate(x);
    case ACTIVATION_SIGMOID:
        return 1.0 / (1.0 + exp_accurate(-x));
    case ACTIVATION_TANH:
        return tanh_accurate(x);
    default:
        return x;
    }
}

// f'(x) from y = f(x).
float activate_derivative(uint kind, float y, float slope)
{
    switch (kind) {
    case ACTIVATION_RELU:
        return y > 0.0 ? 1.0 : is_nan(y) ? y : 0.0;
    case ACTIVATION_LEAKY_RELU:
        return y > 0.0 ? 1.0 : is_nan(y) ? y : slope;
    case ACTIVATION_ELU:
        return y > 0.0 ? 1.0 : y + slope;
    case ACTIVATION_SELU:
        return y > 0.0 ? SELU_LAMBDA : y + SELU_LAMBDA_ALPHA;
    case ACTIVATION_SIGMOID:
        return y * (1.0 - y);
    case ACTIVATION_TANH:
        return 1.0 - y * y;
    default:
        return 1.0;
    }
}

// f''(x) from y = f(x).
float activate_second_derivative(uint kind, float y, float slope)
{
    switch (kind) {
    case ACTIVATION_ELU:
        return y > 0.0 ? 0.0 : y + slope;
    case ACTIVATION_SELU:
        return y > 0.0 ? 0.0 : y + SELU_LAMBDA_ALPHA;
    case ACTIVATION_SIGMOID:
        return y * (1.0 - y) * (1.0 - 2.0 * y);
    case ACTIVATION_TANH:
        return -2.0 * y * (1.0 - y * y);
    default:
        return 0.0;
    }
}
