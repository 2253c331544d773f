using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Tessera.Runtime;

namespace Tessera.Models.Fused;

/// <summary>The passes of a transformer block that are no matrix product, each over memory once, on one core.</summary>
/// <remarks>Rows are multiples of <see cref="Lanes"/> numbers long but where said. Sums and statistics are fp32.</remarks>
internal static unsafe class BlockKernels
{
    /// <summary>Numbers that are computed at once.</summary>
    public const int Lanes = 16;

    /// <summary>Bytes that are copied at once.</summary>
    public const int Step = 32;

    /// <summary>Adds a branch's end to the tokens, and normalises each sum to mean 0 and variance 1, scaled and shifted.</summary>
    /// <param name="branch">(rows, width): the branch's end but for its bias; afterwards the sum. Or the tokens, where there is no branch.</param>
    /// <param name="bias">(width); null: there is no branch.</param>
    /// <param name="tokens">(rows, width); null likewise.</param>
    /// <param name="normed">(rows, width), written.</param>
    /// <param name="means">(rows), written.</param>
    /// <param name="scales">(rows), written: 1 / √(variance + <paramref name="epsilon"/>).</param>
    /// <param name="gamma">(width)</param>
    /// <param name="beta">(width)</param>
    /// <param name="rows">Tokens.</param>
    /// <param name="width">Numbers in each.</param>
    /// <param name="epsilon">Keeps the variance from 0.</param>
    public static void Norm<T>(T* branch, T* bias, T* tokens, T* normed, float* means, float* scales, T* gamma, T* beta, long rows, int width, float epsilon)
        where T : unmanaged, INumberFormat<T>
    {
        for (var row = 0L; row < rows; row++, branch += width, normed += width)
        {
            var total = Vector512<float>.Zero;
            if (bias is null)
            {
                for (var i = 0; i < width; i += Lanes) total += T.Load(branch + i);
            }
            else
            {
                for (var i = 0; i < width; i += Lanes)
                {
                    var sum = T.Round(T.Load(branch + i) + T.Load(bias + i) + T.Load(tokens + i));
                    T.Store(branch + i, sum);
                    total += sum;
                }
                tokens += width;
            }
            var mean = Vector512.Sum(total) / width;
            var centre = Vector512.Create(mean);
            var squares = Vector512<float>.Zero;
            for (var i = 0; i < width; i += Lanes)
            {
                var distance = T.Load(branch + i) - centre;
                squares = Vector512.MultiplyAddEstimate(distance, distance, squares);
            }
            var scale = 1 / MathF.Sqrt(Vector512.Sum(squares) / width + epsilon);
            (means[row], scales[row]) = (mean, scale);
            NormRow(branch, normed, centre, scale, gamma, beta, width);
        }
    }

    /// <summary>What <see cref="Norm"/> wrote of tokens whose statistics are known.</summary>
    public static void NormAgain<T>(T* tokens, T* normed, float* means, float* scales, T* gamma, T* beta, long rows, int width) where T : unmanaged, INumberFormat<T>
    {
        for (var row = 0L; row < rows; row++, tokens += width, normed += width) NormRow(tokens, normed, Vector512.Create(means[row]), scales[row], gamma, beta, width);
    }

    /// <summary>Adds a branch's bias and the tokens to its end.</summary>
    public static void Add<T>(T* branch, T* bias, T* tokens, long rows, int width) where T : unmanaged, INumberFormat<T>
    {
        for (var row = 0L; row < rows; row++, branch += width, tokens += width)
        {
            for (var i = 0; i < width; i += Lanes) T.Store(branch + i, T.Load(branch + i) + T.Load(bias + i) + T.Load(tokens + i));
        }
    }

    /// <summary>The gradient of <see cref="Norm"/>'s tokens, added to that which they have by another way.</summary>
    /// <param name="tokens">(rows, width)</param>
    /// <param name="means">(rows)</param>
    /// <param name="scales">(rows)</param>
    /// <param name="gamma">(width)</param>
    /// <param name="ofNormed">(rows, width): the gradient of what was written.</param>
    /// <param name="so">(rows, width): the tokens' gradient by the other way.</param>
    /// <param name="gradient">(rows, width), written: the sum; it may lie where <paramref name="so"/> lies.</param>
    /// <param name="sums">(3, width), added to: the gradients of gamma and of beta, and the sum of the tokens' gradients over rows.</param>
    /// <param name="rows">Tokens.</param>
    /// <param name="width">Numbers in each.</param>
    public static void NormBackward<T>(T* tokens, float* means, float* scales, T* gamma, T* ofNormed, T* so, T* gradient, float* sums, long rows, int width)
        where T : unmanaged, INumberFormat<T>
    {
        float* ofGamma = sums, ofBeta = sums + width, ofRows = sums + 2 * width;
        for (var row = 0L; row < rows; row++, tokens += width, ofNormed += width, so += width, gradient += width)
        {
            Vector512<float> centre = Vector512.Create(means[row]), scale = Vector512.Create(scales[row]);
            Vector512<float> plain = Vector512<float>.Zero, along = Vector512<float>.Zero;
            for (var i = 0; i < width; i += Lanes)
            {
                var normal = (T.Load(tokens + i) - centre) * scale;
                var slope = T.Load(ofNormed + i);
                var weighted = slope * T.Load(gamma + i);
                plain += weighted;
                along = Vector512.MultiplyAddEstimate(weighted, normal, along);
                Vector512.MultiplyAddEstimate(slope, normal, Vector512.Load(ofGamma + i)).Store(ofGamma + i);
                (Vector512.Load(ofBeta + i) + slope).Store(ofBeta + i);
            }
            Vector512<float> mean = Vector512.Create(Vector512.Sum(plain) / width), share = Vector512.Create(Vector512.Sum(along) / width);
            for (var i = 0; i < width; i += Lanes)
            {
                var normal = (T.Load(tokens + i) - centre) * scale;
                var weighted = T.Load(ofNormed + i) * T.Load(gamma + i);
                var all = T.Round(Vector512.MultiplyAddEstimate(weighted - mean - normal * share, scale, T.Load(so + i)));
                T.Store(gradient + i, all);
                (Vector512.Load(ofRows + i) + all).Store(ofRows + i);
            }
        }
    }

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
                    var power = Exp((Vector512.Load(values + i) - top) * scale);
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

    /// <summary>GELU of bf16 numbers and its slopes there, looked up; the slopes take the numbers' place.</summary>
    /// <param name="inputs">The numbers; afterwards the slopes there.</param>
    /// <param name="outputs">Written.</param>
    /// <param name="table">By a number's bits: those of its value in the upper half, those of its slope in the lower.</param>
    /// <param name="count">A multiple of 4.</param>
    public static void Gelu(ushort* inputs, ushort* outputs, uint* table, long count)
    {
        for (var i = 0L; i < count; i += 4)
        {
            uint a = table[inputs[i]], b = table[inputs[i + 1]], c = table[inputs[i + 2]], d = table[inputs[i + 3]];
            *(uint*)(outputs + i) = a >> 16 | (b & 0xFFFF0000);
            *(uint*)(outputs + i + 2) = c >> 16 | (d & 0xFFFF0000);
            *(uint*)(inputs + i) = (ushort)a | b << 16;
            *(uint*)(inputs + i + 2) = (ushort)c | d << 16;
        }
    }

    /// <summary>Multiplies a gradient by slopes, and adds the products up over rows.</summary>
    public static void Multiply<T>(T* slopes, T* gradient, float* sums, long rows, int width) where T : unmanaged, INumberFormat<T>
    {
        for (var row = 0L; row < rows; row++, slopes += width, gradient += width)
        {
            for (var i = 0; i < width; i += Lanes)
            {
                var product = T.Round(T.Load(slopes + i) * T.Load(gradient + i));
                T.Store(gradient + i, product);
                (Vector512.Load(sums + i) + product).Store(sums + i);
            }
        }
    }

    /// <summary>GELU, x · Φ(x), and its slopes Φ(x) + x · φ(x), which take the numbers' place. Φ is formula 7.1.26 of Abramowitz and Stegun, within 1.5e-7.</summary>
    public static void Gelu(Fp32* inputs, Fp32* outputs, long count)
    {
        const float Height = .3989422804f; // 1 / √(2π)
        for (var i = 0L; i < count; i += Lanes)
        {
            var x = Fp32.Load(inputs + i);
            var below = Normal(x, out var bell);
            Fp32.Store(outputs + i, x * below);
            Fp32.Store(inputs + i, Vector512.MultiplyAddEstimate(x * bell, Vector512.Create(Height), below));
        }
    }

    /// <summary>Rounds a product to bf16.</summary>
    /// <param name="from">(rows, columns)</param>
    /// <param name="to">(rows, columns), a row every <paramref name="stride"/> numbers, written.</param>
    /// <param name="stride">In numbers.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">A multiple of <see cref="Lanes"/>.</param>
    /// <param name="bias">(columns), added before; null: none.</param>
    /// <param name="sums">(columns): the sum of rows is added to it; null: it is not.</param>
    public static void Narrow(float* from, Bf16* to, long stride, int rows, int columns, Bf16* bias = null, float* sums = null)
    {
        var column = 0;
        for (; column + 2 * Lanes <= columns; column += 2 * Lanes) // what is written is a whole line of the cache
        {
            Vector512<float> first = Vector512<float>.Zero, second = first, total = first, another = first;
            if (bias is not null)
            {
                first = Bf16.Load(bias + column);
                second = Bf16.Load(bias + column + Lanes);
            }
            var at = from + column;
            var place = to + column;
            for (var row = 0; row < rows; row++, at += columns, place += stride)
            {
                Sse.Prefetch1(place + SmallProducts.Panel);
                Vector512<float> a = Vector512.Load(at) + first, b = Vector512.Load(at + Lanes) + second;
                Bf16.Store(place, a, b);
                total += a;
                another += b;
            }
            if (sums is null) continue;
            (Vector512.Load(sums + column) + total).Store(sums + column);
            (Vector512.Load(sums + column + Lanes) + another).Store(sums + column + Lanes);
        }
        if (column == columns) return;
        var shift = bias is null ? Vector512<float>.Zero : Bf16.Load(bias + column);
        var sum = Vector512<float>.Zero;
        for (var row = 0; row < rows; row++)
        {
            var values = Vector512.Load(from + row * columns + column) + shift;
            Bf16.Store(to + row * stride + column, values);
            sum += values;
        }
        if (sums is not null) (Vector512.Load(sums + column) + sum).Store(sums + column);
    }

    /// <summary>Multiplies a product by slopes, rounds it, and adds it up over rows.</summary>
    /// <param name="from">(rows, columns)</param>
    /// <param name="slopes">(rows, columns), a row every <paramref name="stride"/> numbers.</param>
    /// <param name="to">The same, written.</param>
    /// <param name="stride">In numbers.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">A multiple of <see cref="Lanes"/>.</param>
    /// <param name="sums">(columns), added to.</param>
    public static void NarrowBySlopes(float* from, Bf16* slopes, Bf16* to, long stride, int rows, int columns, float* sums)
    {
        var column = 0;
        for (; column + 2 * Lanes <= columns; column += 2 * Lanes)
        {
            Vector512<float> total = Vector512.Load(sums + column), another = Vector512.Load(sums + column + Lanes);
            var at = from + column;
            Bf16* slope = slopes + column, place = to + column;
            for (var row = 0; row < rows; row++, at += columns, slope += stride, place += stride)
            {
                Sse.Prefetch1(slope + SmallProducts.Panel);
                Vector512<float> a = Vector512.Load(at) * Bf16.Load(slope), b = Vector512.Load(at + Lanes) * Bf16.Load(slope + Lanes);
                Bf16.Store(place, a, b);
                total += a;
                another += b;
            }
            total.Store(sums + column);
            another.Store(sums + column + Lanes);
        }
        if (column == columns) return;
        var sum = Vector512.Load(sums + column);
        for (var row = 0; row < rows; row++)
        {
            var values = Vector512.Load(from + row * columns + column) * Bf16.Load(slopes + row * stride + column);
            Bf16.Store(to + row * stride + column, values);
            sum += values;
        }
        sum.Store(sums + column);
    }

    /// <summary>The sum of rows, added to sums.</summary>
    public static void SumRows<T>(T* values, float* sums, long rows, int width) where T : unmanaged, INumberFormat<T>
    {
        for (var row = 0L; row < rows; row++, values += width)
        {
            for (var i = 0; i < width; i += Lanes) (Vector512.Load(sums + i) + T.Load(values + i)).Store(sums + i);
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void NormRow<T>(T* tokens, T* normed, Vector512<float> centre, float scale, T* gamma, T* beta, int width) where T : unmanaged, INumberFormat<T>
    {
        for (var i = 0; i < width; i += Lanes) T.Store(normed + i, Vector512.MultiplyAddEstimate((T.Load(tokens + i) - centre) * scale, T.Load(gamma + i), T.Load(beta + i)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Largest(Vector512<float> values)
    {
        var half = Vector256.MaxNative(values.GetLower(), values.GetUpper());
        var quarter = Vector128.MaxNative(half.GetLower(), half.GetUpper());
        quarter = Vector128.MaxNative(quarter, Vector128.Shuffle(quarter, Vector128.Create(2, 3, 0, 1)));
        return Vector128.MaxNative(quarter, Vector128.Shuffle(quarter, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }

    /// <returns>Φ(x)</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Normal(Vector512<float> x, out Vector512<float> bell)
    {
        bell = Exp(x * x * Vector512.Create(-.5f));
        var t = Vector512<float>.One / Vector512.MultiplyAddEstimate(Vector512.Abs(x), Vector512.Create(.3275911f * .70710678f), Vector512<float>.One);
        var series = Vector512.MultiplyAddEstimate(t, Vector512.Create(1.061405429f), Vector512.Create(-1.453152027f));
        series = Vector512.MultiplyAddEstimate(series, t, Vector512.Create(1.421413741f));
        series = Vector512.MultiplyAddEstimate(series, t, Vector512.Create(-.284496736f));
        series = Vector512.MultiplyAddEstimate(series, t, Vector512.Create(.254829592f));
        var tail = series * t * bell * Vector512.Create(.5f); // Φ(-|x|)
        return Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512<float>.Zero), tail, Vector512<float>.One - tail);
    }

    /// <summary>e to the power of numbers of at most 0, within 2 units in the last place; below -87 it is 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Exp(Vector512<float> x)
    {
        // x = n · ln 2 + r with |r| ≤ ln 2 / 2, ln 2 in two parts; e^r by its Taylor series, which ends within rounding there.
        var n = Vector512.Round(x * Vector512.Create(1.44269504f));
        var r = Vector512.MultiplyAddEstimate(n, Vector512.Create(-.693359375f), x);
        r = Vector512.MultiplyAddEstimate(n, Vector512.Create(2.12194440e-4f), r);
        var series = Vector512.MultiplyAddEstimate(r, Vector512.Create(1f / 720), Vector512.Create(1f / 120));
        series = Vector512.MultiplyAddEstimate(series, r, Vector512.Create(1f / 24));
        series = Vector512.MultiplyAddEstimate(series, r, Vector512.Create(1f / 6));
        series = Vector512.MultiplyAddEstimate(series, r, Vector512.Create(.5f));
        series = Vector512.MultiplyAddEstimate(series, r, Vector512<float>.One);
        series = Vector512.MultiplyAddEstimate(series, r, Vector512<float>.One);
        var power = ((Vector512.ConvertToInt32(n) + Vector512.Create(127)) << 23).AsSingle();
        return Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512.Create(-87f)), Vector512<float>.Zero, series * power);
    }
}
