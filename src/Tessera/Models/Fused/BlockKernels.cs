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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void NormRow<T>(T* tokens, T* normed, Vector512<float> centre, float scale, T* gamma, T* beta, int width) where T : unmanaged, INumberFormat<T>
    {
        for (var i = 0; i < width; i += Lanes) T.Store(normed + i, Vector512.MultiplyAddEstimate((T.Load(tokens + i) - centre) * scale, T.Load(gamma + i), T.Load(beta + i)));
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
    public static Vector512<float> Exp(Vector512<float> x)
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
