namespace Tessera.Imaging;

/// <summary>A random sequence that is a function of (seed, purpose, epoch, index) and of nothing else: the same on every machine.</summary>
/// <remarks>
/// Philox 4x32-10: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". The key is the seed, the counter is
/// (draw, index, epoch, purpose). No state survives a picture, so batches, workers and resumed runs draw the same.
/// </remarks>
public struct CounterRandom
{
    private const int ViewShift = 16; // purposes are few: the upper half of their word tells views apart

    private readonly ulong seed;
    private readonly uint purpose, epoch, index;
    private uint block, used;
    private UInt128 buffer;

    /// <summary>Starts the sequence at its first draw.</summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="purpose">What is drawn.</param>
    /// <param name="epoch">The epoch, or the step.</param>
    /// <param name="index">The picture's index.</param>
    /// <param name="view">Which of several views of the picture, from 0 and below 65,536.</param>
    public CounterRandom(ulong seed, RandomPurpose purpose, uint epoch, uint index, int view = 0)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)view, 1u << ViewShift, nameof(view));
        (this.seed, this.purpose, this.epoch, this.index) = (seed, (uint)purpose | (uint)view << ViewShift, epoch, index);
        used = 4;
    }

    /// <summary>The next 32 random bits.</summary>
    public uint NextUInt32()
    {
        if (used == 4)
        {
            buffer = Philox(seed, block++, index, epoch, purpose);
            used = 0;
        }
        return (uint)(buffer >> (int)(32 * used++));
    }

    /// <summary>A uniform number in [0, 1), with 32 bits.</summary>
    public double NextDouble() => NextUInt32() * (1.0 / 4294967296.0);

    /// <summary>A uniform number in [<paramref name="low"/>, <paramref name="high"/>).</summary>
    public double NextDouble(double low, double high) => low + (high - low) * NextDouble();

    /// <summary>The next 64 random bits.</summary>
    public ulong NextUInt64() => NextUInt32() | (ulong)NextUInt32() << 32;

    /// <summary>A uniform whole number in [0, <paramref name="bound"/>), without bias.</summary>
    /// <remarks>Lemire 2019 (arXiv:1805.10941).</remarks>
    public int NextBelow(int bound)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bound);
        var product = (ulong)NextUInt32() * (uint)bound;
        if ((uint)product < (uint)bound)
        {
            var threshold = (uint)-bound % (uint)bound;
            while ((uint)product < threshold) product = (ulong)NextUInt32() * (uint)bound;
        }
        return (int)(product >> 32);
    }

    /// <summary>Puts the values in a uniformly random order (Fisher and Yates).</summary>
    public void Shuffle(Span<int> values)
    {
        for (var i = values.Length - 1; i > 0; i--)
        {
            var j = NextBelow(i + 1);
            (values[i], values[j]) = (values[j], values[i]);
        }
    }

    /// <summary>Fills with uniform numbers in (−<paramref name="limit"/>, <paramref name="limit"/>).</summary>
    public void FillUniform(Span<float> values, double limit)
    {
        foreach (ref var value in values) value = (float)((2 * NextDouble() - 1) * limit);
    }

    /// <summary>Fills with normal numbers of mean zero (Box and Muller).</summary>
    public void FillNormal(Span<float> values, double deviation)
    {
        for (var i = 0; i < values.Length; i += 2)
        {
            var radius = deviation * Math.Sqrt(-2 * Math.Log(1 - NextDouble()));
            var (sin, cos) = Math.SinCos(2 * Math.PI * NextDouble());
            values[i] = (float)(radius * cos);
            if (i + 1 < values.Length) values[i + 1] = (float)(radius * sin);
        }
    }

    /// <summary>One block of Philox 4x32-10; the first counter word is the lowest.</summary>
    internal static UInt128 Philox(ulong key, uint c0, uint c1, uint c2, uint c3)
    {
        var (k0, k1) = ((uint)key, (uint)(key >> 32));
        for (var round = 0; round < 10; round++)
        {
            var (first, second) = (0xD2511F53ul * c0, 0xCD9E8D57ul * c2);
            (c0, c1, c2, c3) = ((uint)(second >> 32) ^ c1 ^ k0, (uint)second, (uint)(first >> 32) ^ c3 ^ k1, (uint)first);
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }
        return new UInt128((ulong)c3 << 32 | c2, (ulong)c1 << 32 | c0);
    }
}
