using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Tessera.Runtime;

namespace Tessera.Models.Fused;

/// <summary>The passes of attention that are no matrix product, on one core: softmax, and what its heads compute with, taken apart and put together.</summary>
internal static unsafe class AttentionKernels
{
    /// <summary>Bytes that are copied at once.</summary>
    public const int Step = 32;

    private const int Lanes = BlockKernels.Lanes;

    /// <summary>Softmax of each row, in place, of its numbers times <paramref name="scale"/>.</summary>
    /// <param name="rows">(count, length), of any length.</param>
    /// <param name="count">Rows.</param>
    /// <param name="length">Numbers in each.</param>
    /// <param name="scale">Positive.</param>
    public static void Softmax<T>(T* rows, long count, int length, float scale) where T : unmanaged, INumberFormat<T>
    {
        var padded = (length + Lanes - 1) / Lanes * Lanes;
        var (whole, rest) = (length / Lanes * Lanes, length % Lanes);
        Span<float> buffer = stackalloc float[Math.Min(padded, 1024)];
        if (padded > 1024) buffer = new float[padded];
        var last = stackalloc T[Lanes];
        fixed (float* values = buffer)
        {
            for (var row = 0L; row < count; row++, rows += length)
            {
                var largest = Vector512.Create(float.NegativeInfinity);
                for (var i = 0; i < whole; i += Lanes)
                {
                    var x = T.Load(rows + i);
                    x.Store(values + i);
                    largest = Vector512.MaxNative(largest, x);
                }
                if (rest > 0)
                {
                    for (var i = 0; i < Lanes; i++) last[i] = i < rest ? rows[whole + i] : T.Of(float.NegativeInfinity);
                    var x = T.Load(last);
                    x.Store(values + whole);
                    largest = Vector512.MaxNative(largest, x);
                }
                var top = Vector512.Create(Largest(largest));
                var sum = Vector512<float>.Zero;
                for (var i = 0; i < padded; i += Lanes)
                {
                    var power = BlockKernels.Exp((Vector512.Load(values + i) - top) * scale);
                    power.Store(values + i);
                    sum += power;
                }
                var share = 1 / Vector512.Sum(sum);
                for (var i = 0; i < whole; i += Lanes) T.Store(rows + i, Vector512.Load(values + i) * share);
                if (rest == 0) continue;
                T.Store(last, Vector512.Load(values + whole) * share);
                for (var i = 0; i < rest; i++) rows[whole + i] = last[i];
            }
        }
    }

    /// <summary>The gradient of <see cref="Softmax"/>'s numbers, in place of that of its shares.</summary>
    /// <param name="shares">(count, length): what was written.</param>
    /// <param name="gradient">(count, length)</param>
    /// <param name="count">Rows.</param>
    /// <param name="length">Numbers in each.</param>
    /// <param name="scale">As it was.</param>
    public static void SoftmaxBackward<T>(T* shares, T* gradient, long count, int length, float scale) where T : unmanaged, INumberFormat<T>
    {
        var (whole, rest) = (length / Lanes * Lanes, length % Lanes);
        T* lastShares = stackalloc T[Lanes], lastGradient = stackalloc T[Lanes];
        for (var i = 0; i < Lanes; i++) lastShares[i] = lastGradient[i] = T.Of(0);
        for (var row = 0L; row < count; row++, shares += length, gradient += length)
        {
            var sum = Vector512<float>.Zero;
            for (var i = 0; i < whole; i += Lanes) sum = Vector512.MultiplyAddEstimate(T.Load(shares + i), T.Load(gradient + i), sum);
            if (rest > 0)
            {
                for (var i = 0; i < rest; i++) (lastShares[i], lastGradient[i]) = (shares[whole + i], gradient[whole + i]);
                sum = Vector512.MultiplyAddEstimate(T.Load(lastShares), T.Load(lastGradient), sum);
            }
            var mean = Vector512.Create(Vector512.Sum(sum));
            for (var i = 0; i < whole; i += Lanes) T.Store(gradient + i, (T.Load(gradient + i) - mean) * T.Load(shares + i) * scale);
            if (rest == 0) continue;
            T.Store(lastGradient, (T.Load(lastGradient) - mean) * T.Load(lastShares) * scale);
            for (var i = 0; i < rest; i++) gradient[whole + i] = lastGradient[i];
        }
    }

    /// <summary>Takes what attention's heads compute with apart.</summary>
    /// <param name="together">(pictures, tokens, parts, heads, bytes)</param>
    /// <param name="apart">(parts, pictures, heads, tokens, bytes), written.</param>
    /// <param name="pictures">Pictures.</param>
    /// <param name="tokens">Tokens of each.</param>
    /// <param name="parts">Queries, keys and values, or one.</param>
    /// <param name="heads">Heads.</param>
    /// <param name="bytes">What a head has of a token, a multiple of <see cref="Step"/>.</param>
    public static void SplitHeads(byte* together, byte* apart, long pictures, int tokens, int parts, int heads, int bytes)
    {
        var stride = (long)tokens * bytes; // from a head to the next
        for (var picture = 0L; picture < pictures; picture++)
        {
            for (var token = 0L; token < tokens; token++)
            {
                for (var part = 0L; part < parts; part++)
                {
                    var to = apart + ((part * pictures + picture) * heads * tokens + token) * bytes;
                    for (var head = 0; head < heads; head++, together += bytes, to += stride) Copy(together, to, bytes);
                }
            }
        }
    }

    /// <summary>Puts heads together.</summary>
    /// <param name="apart">(pictures, heads, tokens, bytes)</param>
    /// <param name="together">(pictures, tokens, <paramref name="stride"/>), of which each token's first heads · bytes are written.</param>
    /// <param name="stride">Bytes from a token to the next.</param>
    /// <param name="pictures">Pictures.</param>
    /// <param name="tokens">Tokens of each.</param>
    /// <param name="heads">Heads.</param>
    /// <param name="bytes">What a head has of a token, a multiple of <see cref="Step"/>.</param>
    public static void JoinHeads(byte* apart, byte* together, long stride, long pictures, int tokens, int heads, int bytes)
    {
        for (var picture = 0L; picture < pictures; picture++, apart += (long)heads * tokens * bytes)
        {
            for (var token = 0L; token < tokens; token++, together += stride)
            {
                for (var head = 0L; head < heads; head++) Copy(apart + (head * tokens + token) * bytes, together + head * bytes, bytes);
            }
        }
    }

    // A call costs more than so few bytes.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Copy(byte* from, byte* to, int bytes)
    {
        for (var i = 0; i < bytes; i += Step) Vector256.Load(from + i).Store(to + i);
    }

    /// <summary>The largest of sixteen.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Largest(Vector512<float> values)
    {
        var half = Vector256.MaxNative(values.GetLower(), values.GetUpper());
        var quarter = Vector128.MaxNative(half.GetLower(), half.GetUpper());
        quarter = Vector128.MaxNative(quarter, Vector128.Shuffle(quarter, Vector128.Create(2, 3, 0, 1)));
        return Vector128.MaxNative(quarter, Vector128.Shuffle(quarter, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }
}
