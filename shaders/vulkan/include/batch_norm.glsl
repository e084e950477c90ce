// batch_norm.glsl: where the terms of one channel of X (outer, channels, inner) lie. The including shader has `channels`
// and `inner` among its parameters.

uint channel;

uint element(uint t)
{
    const uint o = quotient(t, p.inner);
    return (o * p.channels + channel) * p.inner.divisor + (t - o * p.inner.divisor);
}
