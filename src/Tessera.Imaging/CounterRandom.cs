namespace Tessera.Imaging;

/// <summary>Random numbers that are a function of a key and a counter: no state that must be saved, the same on every machine.</summary>
/// <remarks>SplitMix64 (Steele, Lea, Flood 2014): its output function applied to key + counter · the golden ratio.</remarks>
internal struct CounterRandom
{
    private const ulong GoldenRatio = 0x9E3779B97F4A7C15;

    private readonly ulong key;
    private ulong counter;

    public CounterRandom(params ReadOnlySpan<ulong> keys)
    {
        foreach (var part in keys)
            key = Mix(key + GoldenRatio + Mix(part + GoldenRatio));
    }

    /// <summary>The number at one place of the sequence that the keys name.</summary>
    public static ulong At(params ReadOnlySpan<ulong> keys) => new CounterRandom(keys).Next();

    public ulong Next() => Mix(key + ++counter * GoldenRatio);

    /// <summary>Uniform in [0, 1), with 53 bits.</summary>
    public double Uniform() => (Next() >> 11) * (1.0 / (1UL << 53));

    public double Uniform(double low, double high) => low + (high - low) * Uniform();

    public int Below(int count) => (int)(Uniform() * count);

    private static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
