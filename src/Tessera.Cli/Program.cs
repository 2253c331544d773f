using TorchSharp;
Tessera.Runtime.LibTorch.Load();
var sw = System.Diagnostics.Stopwatch.StartNew();
using var a = torch.rand(1024,1024); 
for (int i=0;i<3;i++){ sw.Restart(); for(int k=0;k<20;k++) using(torch.matmul(a,a)){}; Console.WriteLine($"{20*2*1024.0*1024*1024/sw.Elapsed.TotalSeconds/1e9:F0} GFLOP/s"); }
// profile: probe API
Console.WriteLine(torch.__version__);
