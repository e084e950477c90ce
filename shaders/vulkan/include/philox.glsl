// philox.glsl: Philox4x32-10, bit for bit as in Random123 (Salmon et al. 2011), and uniforms from its words.

uvec4 philox(uvec4 counter, uvec2 key)
{
    for (uint r = 0u; r < 10u; r++) {
        uint high0, low0, high1, low1;
        umulExtended(0xD2511F53u, counter.x, high0, low0);
        umulExtended(0xCD9E8D57u, counter.z, high1, low1);
        counter = uvec4(high1 ^ counter.y ^ key.x, low1, high0 ^ counter.w ^ key.y, low0);
        key += uvec2(0x9E3779B9u, 0xBB67AE85u);
    }
    return counter;
}

float uniform_of(uint word)
{
    return float(word >> 8) * 5.9604644775390625e-8; // 2^-24
}
